{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand"],
    post_hook="{{ drop_emptied('date', is_due('date'), ref('int_brand_days')) }}",
) }}
{%- set counts = ["sessions", "viewing_sessions", "visitors", "page_views", "bounces", "newsletter_signups"] %}

with
days as (
    select date, brand from {{ ref("int_brand_days") }} where {{ is_due("date") }}
),

readers as (
    select * from {{ source("warehouse", "reader_sessions") }} where {{ is_due("date") }}
),

subscriptions as (
    select
        date,
        brand,
        {% for twin in ["", "_human"] %}
            sum(starts{{ twin }}) as starts{{ twin }},
            sum(cancels{{ twin }}) as cancels{{ twin }},
            sum(active{{ twin }}) as active{{ twin }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ source("warehouse", "reader_subscriptions") }}
    where {{ is_due("date") }}
    group by date, brand
),

video as (
    select * from {{ source("warehouse", "executive_summary") }} where {{ is_due("date") }}
)

select
    days.date as date,
    days.brand as brand,
    {% for twin in ["", "_human"] %}
        {% for name in counts %}
            readers.{{ name }}{{ twin }} as {{ name }}{{ twin }},
        {% endfor %}
        readers.engaged_seconds{{ twin }} as engaged_seconds{{ twin }},
        {{ ratio("readers.bounces" ~ twin, "readers.viewing_sessions" ~ twin) }} as bounce_rate{{ twin }},
        {{ ratio("readers.page_views" ~ twin, "readers.viewing_sessions" ~ twin) }} as pages_per_session{{ twin }},
        {{ ratio("readers.engaged_seconds" ~ twin, "readers.page_views" ~ twin) }} as engaged_seconds_per_page_view{{ twin }},
        subscriptions.starts{{ twin }} as subscription_starts{{ twin }},
        subscriptions.cancels{{ twin }} as subscription_cancels{{ twin }},
        subscriptions.active{{ twin }} as active_subscriptions{{ twin }},
    {% endfor %}
    video.plays as video_plays,
    video.watch_hours as video_watch_hours,
    video.ad_revenue_eur as ad_revenue_eur
from days
left join readers on days.date = readers.date and days.brand = readers.brand
left join subscriptions on days.date = subscriptions.date and days.brand = subscriptions.brand
left join video on days.date = video.date and days.brand = video.brand
