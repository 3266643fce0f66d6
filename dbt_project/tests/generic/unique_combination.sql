{# No two rows share the values of `columns`; with `day`, a column, of the dates that the run brings up to date. #}
{% test unique_combination(model, columns, day=none) %}
select {{ columns | join(", ") }}, count() as copies
from {{ model }}
{% if day %}where {{ is_due(day) }}{% endif %}
group by {{ columns | join(", ") }}
having copies > 1
{% endtest %}
