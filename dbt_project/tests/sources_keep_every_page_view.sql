-- Page views of an article over its sources are those of the lake's table. A warning: events arrive between the two.
{{ config(severity="warn") }}
{%- set over %}
{{ is_due("date") }} and date < toDate32({{ right_now() }}) and {{ is_kept("date") }}
{%- endset %}
with
sources as (
    select date, brand, page_key, sum(page_views) as page_views
    from {{ ref("editorial_sources") }}
    where {{ over }}
    group by date, brand, page_key
),

stored as (
    select date, brand, page_key, page_views
    from {{ source("warehouse", "reader_engagement") }}
    where {{ over }}
)

select sources.date, sources.brand, sources.page_key, sources.page_views, stored.page_views as in_lake
from stored
full join sources
    on stored.date = sources.date and stored.brand = sources.brand and stored.page_key = sources.page_key
where stored.page_views != sources.page_views
