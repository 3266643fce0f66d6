{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand", "referrer_medium", "referrer_source"],
    post_hook="{{ drop_emptied('date', is_due('date'), source('warehouse', 'sessions')) }}",
) }}

select
    date,
    brand,
    referrer_medium,
    referrer_source,
    count() as sessions,
    uniqExact(visitor_id) as visitors,
    toUInt64(sum(visits.page_views)) as page_views,
    toUInt64(sum(visits.newsletter_signups)) as newsletter_signups,
    countIf(is_bounce) as bounces,
    countIf(not is_bot) as sessions_human,
    uniqExactIf(visitor_id, not is_bot) as visitors_human,
    toUInt64(sumIf(visits.page_views, not is_bot)) as page_views_human,
    toUInt64(sumIf(visits.newsletter_signups, not is_bot)) as newsletter_signups_human,
    countIf(is_bounce and not is_bot) as bounces_human
from {{ source("warehouse", "sessions") }} as visits
where {{ is_due("date") }}
group by date, brand, referrer_medium, referrer_source
