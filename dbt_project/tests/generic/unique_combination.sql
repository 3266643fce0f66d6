{#
  No two rows share the values of `columns`; with `day`, a column, of the dates that the run brings up to date; with
  `week`, also of earlier rows that share theirs with the weeks from that of the run on.
#}
{% test unique_combination(model, columns, day=none, week=none) %}
{%- set listed = columns | join(", ") %}
select {{ listed }}, count() as copies
from {{ model }}
{% if day %}where {{ is_due(day) }}{% endif %}
{% if week %}where ({{ listed }}) in (select {{ listed }} from {{ model }} where {{ is_since_due_week(week) }}){% endif %}
group by {{ listed }}
having copies > 1
{% endtest %}
