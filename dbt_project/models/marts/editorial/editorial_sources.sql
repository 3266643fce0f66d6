{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    full_refresh=false,
    partition_by="date",
    order_by=["date", "brand", "page_key", "referrer_medium", "referrer_source"],
) }}
-- depends_on: {{ source("warehouse", "reader_engagement") }}

with views as (
    {{ reader_events(
        ["page_key", "visitor_id", "is_bot", "referrer_medium", "referrer_source"],
        "event_type = 'page_view' and page_key is not null",
    ) }}
)

select
    date,
    brand,
    assumeNotNull(views.page_key) as page_key,
    referrer_medium,
    coalesce(views.referrer_source, 'unknown') as referrer_source,
    count() as page_views,
    uniqExact(visitor_id) as visitors,
    countIf(not is_bot) as page_views_human,
    uniqExactIf(visitor_id, not is_bot) as visitors_human
from views
group by date, brand, page_key, referrer_medium, referrer_source
