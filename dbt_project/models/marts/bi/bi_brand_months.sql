{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="month_date",
    order_by=["month_date", "brand"],
    post_hook="{{ drop_emptied('month_date', is_in_due_month('month_date'), ref('int_brand_months')) }}",
) }}

with
months as (
    select month_date, brand from {{ ref("int_brand_months") }} where {{ is_in_due_month("month_date") }}
),

readers as (
    select
        toDate32(toStartOfMonth(date)) as month_date,
        brand,
        count() as sessions,
        uniqExact(visitor_id) as visitors,
        toUInt64(sum(visits.page_views)) as page_views,
        sum(visits.engaged_seconds) as engaged_seconds,
        countIf(not is_bot) as sessions_human,
        uniqExactIf(visitor_id, not is_bot) as visitors_human,
        toUInt64(sumIf(visits.page_views, not is_bot)) as page_views_human,
        sumIf(visits.engaged_seconds, not is_bot) as engaged_seconds_human
    from {{ source("warehouse", "sessions") }} as visits
    where {{ is_in_due_month("date") }}
    group by month_date, brand
),

days as (
    select
        toDate32(toStartOfMonth(date)) as month_date,
        brand,
        {% for twin in ["", "_human"] %}
            sum(subscription_starts{{ twin }}) as subscription_starts{{ twin }},
            sum(subscription_cancels{{ twin }}) as subscription_cancels{{ twin }},
            argMax(active_subscriptions{{ twin }}, date) as active_subscriptions{{ twin }},
        {% endfor %}
        sum(video_plays) as video_plays,
        sum(video_watch_hours) as video_watch_hours,
        sum(ad_revenue_eur) as ad_revenue_eur
    from {{ ref("bi_brand_days") }}
    where {{ is_in_due_month("date") }}
    group by month_date, brand
)

select
    months.month_date as month_date,
    months.brand as brand,
    readers.sessions as sessions,
    readers.visitors as visitors,
    readers.page_views as page_views,
    readers.engaged_seconds as engaged_seconds,
    readers.sessions_human as sessions_human,
    readers.visitors_human as visitors_human,
    readers.page_views_human as page_views_human,
    readers.engaged_seconds_human as engaged_seconds_human,
    {% for twin in ["", "_human"] %}
        days.subscription_starts{{ twin }} as subscription_starts{{ twin }},
        days.subscription_cancels{{ twin }} as subscription_cancels{{ twin }},
        days.active_subscriptions{{ twin }} as active_subscriptions{{ twin }},
    {% endfor %}
    days.video_plays as video_plays,
    days.video_watch_hours as video_watch_hours,
    days.ad_revenue_eur as ad_revenue_eur
from months
left join readers on months.month_date = readers.month_date and months.brand = readers.brand
left join days on months.month_date = days.month_date and months.brand = days.brand
