{# In one file: sqlfluff's templater does not see macros of another file inside a macro. #}

{# Whether a date is one of those that the run brings up to date, or of so many days before or after them. #}
{% macro is_due(column, days_before=0, days_after=0) -%}
  {%- set first, last = "toDate32('" ~ var("first_date") ~ "')", "toDate32('" ~ var("last_date") ~ "')" -%}
  {{ column }} between {{ "addDays(" ~ first ~ ", -" ~ days_before ~ ")" if days_before else first }}
  and {{ "addDays(" ~ last ~ ", " ~ days_after ~ ")" if days_after else last }}
{%- endmacro %}

{# The instant of a run or a query; unit tests put a fixed one in its place. #}
{% macro right_now() -%}
  now64(6, 'UTC')
{%- endmacro %}

{# Whether all events of a date are still in the live tables: nothing arrives before it happened. #}
{% macro is_kept(column) -%}
  {{ column }} > addDays(toDate32({{ right_now() }}), -{{ var("event_days") }})
{%- endmacro %}

{# The same for the months that hold them. #}
{% macro is_in_due_month(column) -%}
  {{ column }} >= toDate32(toStartOfMonth(toDate32('{{ var("first_date") }}')))
  and {{ column }} < addMonths(toDate32(toStartOfMonth(toDate32('{{ var("last_date") }}'))), 1)
{%- endmacro %}

{#
  Whether a Monday or a date is in the first week that the run brings up to date, `weeks_before` it, or later. With
  `reached`, a column of the incremental table: in no later week than the first behind its newest, so none is left out.
#}
{% macro is_since_due_week(column, weeks_before=0, reached=none) -%}
  {%- set first = "toDate32('" ~ var("first_date") ~ "')" -%}
  {%- set monday = "addDays(" ~ first ~ ", 1 - toDayOfWeek(" ~ first ~ "))" -%}
  {%- if reached and is_incremental() -%}
    {%- set monday = "least(" ~ monday ~ ", (select addDays(max(" ~ reached ~ "), 7) from " ~ this ~ "))" -%}
  {%- endif -%}
  {{ column }} >= {{ "addDays(" ~ monday ~ ", -" ~ 7 * weeks_before ~ ")" if weeks_before else monday }}
{%- endmacro %}

{#
  Drops the partitions among `due` that a run emptied: `insert_overwrite` replaces those that have rows only.
  `relation` has the same column; a partition without rows there goes.
#}
{% macro drop_emptied(column, due, relation) %}
  {{ drop_partitions(column, due ~ " and " ~ column ~ " not in (select " ~ column ~ " from " ~ relation ~ " where " ~ due ~ ")") }}
{% endmacro %}

{# Drops the partitions of which `condition` holds. #}
{% macro drop_partitions(column, condition) %}
  {% if execute and is_incremental() %}
    {% set found = run_query("select distinct toString(" ~ column ~ ") as part from " ~ this ~ " where " ~ condition) %}
    {% for row in found.rows %}
      {% do run_query("alter table " ~ this ~ " drop partition '" ~ row[0] ~ "'") %}
    {% endfor %}
  {% endif %}
{% endmacro %}

{#
  Events of readers on the dates that the run brings up to date and `days_before` or `days_after` them, as far as they
  are kept: of copies the one received first. `columns` are those wanted beside brand, event_id, date and occurred_at.
#}
{% macro reader_events(columns, condition, days_before=0, days_after=0) -%}
select
    brand,
    event_id,
    occurred_at,
    toDate32(occurred_at) as date,
    {{ columns | join(", ") }}
from {{ source("realtime", "user_events") }}
where
    {{ condition }}
    and {{ is_due("toDate32(occurred_at)", days_before, days_after) }}
    and {{ is_kept("toDate32(occurred_at)") }}
    -- A day more than needed, for clocks that run ahead of their events' arrival.
    and appended_at >= addDays(toDateTime64('{{ var("first_date") }}', 6, 'UTC'), -{{ days_before + 1 }})
order by received_at, source_partition, source_offset
limit 1 by (brand, event_id)
{%- endmacro %}

{# A ratio; null when nothing is divided by. #}
{% macro ratio(above, below) -%}
  toNullable({{ above }} / nullIf({{ below }}, 0))
{%- endmacro %}

{# Whether a row happened within the last `variable` units, a project variable. #}
{% macro happened(variable, unit) -%}
  occurred_at >= {{ right_now() }} - interval {{ var(variable) }} {{ unit }}
{%- endmacro %}

{#
  Live measures of the rows a model groups. Copies of one event share its event_id, so distinct ids are events.
  The window is cut by arrival; an event counts when it also happened in the window.
#}
{% macro live_measures() -%}
  {%- set windows = {"30m": happened("live_minutes", "minute"), "24h": happened("live_hours", "hour")} -%}
  {%- for twin in ["", "_human"] -%}
    {%- set who = "not is_bot" if twin else "true" -%}
    uniqExactIf(visitor_id, {{ happened("concurrent_minutes", "minute") }} and {{ who }}) as readers_now{{ twin }},
    {% for window, recent in windows.items() -%}
      uniqExactIf(visitor_id, {{ recent }} and {{ who }}) as visitors_{{ window }}{{ twin }},
      uniqExactIf(event_id, event_type = 'page_view' and {{ recent }} and {{ who }})
        as page_views_{{ window }}{{ twin }},
      uniqExactIf(event_id, event_type = 'video_start' and {{ recent }} and {{ who }})
        as video_starts_{{ window }}{{ twin }}
      {{- "," if not loop.last }}
    {% endfor -%}
    {{- "," if not loop.last }}
  {% endfor -%}
{%- endmacro %}

{# Measures of articles that belong together, rows of `pages`: a section's, an author's. #}
{% macro measures_of_articles() -%}
  {% for twin in ["", "_human"] -%}
    uniqExactIf(pages.page_key, pages.page_views{{ twin }} > 0) as articles{{ twin }},
    {%- for name in ["page_views", "engaged_seconds", "entries", "exits", "shares"] -%}
      sum(pages.{{ name }}{{ twin }}) as {{ name }}{{ twin }},
    {% endfor -%}
    {{ ratio("engaged_seconds" ~ twin, "page_views" ~ twin) }} as engaged_seconds_per_page_view{{ twin }}
    {{- "," if not loop.last }}
  {% endfor -%}
{%- endmacro %}

{# Measures of rows of gold, `rows_of_date`, each of which has rates over its own plays and requests. #}
{% macro measures_of_videos() -%}
  sum(rows_of_date.plays) as plays,
  sum(rows_of_date.watch_hours) as watch_hours,
  sum(rows_of_date.requests) as requests,
  {{ ratio("sum(rows_of_date.completion_rate * rows_of_date.plays)", "sum(rows_of_date.plays)") }} as completion_rate,
  {{ ratio("sum(rows_of_date.error_rate * rows_of_date.requests)", "sum(rows_of_date.requests)") }} as error_rate
{%- endmacro %}
