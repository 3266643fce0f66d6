-- Page views of an article over its sources are those of the lake's table. A warning: events arrive between the two.
{{ config(severity="warn") }}
with sources as (
    select date, brand, page_key, sum(page_views) as page_views
    from {{ ref("editorial_sources") }}
    where {{ is_due("date") }} and date < toDate32({{ right_now() }})
    group by date, brand, page_key
)

select sources.date, sources.brand, sources.page_key, sources.page_views, stored.page_views as in_lake
from sources
left join {{ source("warehouse", "reader_engagement") }} as stored
    on sources.date = stored.date and sources.brand = stored.brand and sources.page_key = stored.page_key
where sources.page_views != stored.page_views
