{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand", "tier"],
    post_hook="{{ drop_emptied('date', is_due('date'), source('warehouse', 'reader_subscriptions')) }}",
) }}

with
tiers as (
    select
        date,
        brand,
        tier,
        {% for twin in ["", "_human"] %}
            sum(starts{{ twin }}) as starts{{ twin }},
            sum(cancels{{ twin }}) as cancels{{ twin }},
            sum(active{{ twin }}) as active{{ twin }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ source("warehouse", "reader_subscriptions") }}
    where date between addDays(toDate32('{{ var("first_date") }}'), -1) and toDate32('{{ var("last_date") }}')
    group by date, brand, tier
),

today as (
    select
        *,
        sum(active) over (partition by date, brand) as active_of_brand,
        sum(active_human) over (partition by date, brand) as active_of_brand_human
    from tiers
    where {{ is_due("date") }}
),

-- Active at the last midnight of a date is active at the begin of the next.
before as (
    select addDays(date, 1) as date, brand, tier, active, active_human from tiers
)

select
    today.date as date,
    today.brand as brand,
    today.tier as tier,
    {% for twin in ["", "_human"] %}
        today.starts{{ twin }} as starts{{ twin }},
        today.cancels{{ twin }} as cancels{{ twin }},
        today.active{{ twin }} as active{{ twin }},
        before.active{{ twin }} as active_at_start{{ twin }},
        {{ ratio("today.cancels" ~ twin, "before.active" ~ twin) }} as churn_rate{{ twin }},
        {{ ratio("today.active" ~ twin, "today.active_of_brand" ~ twin) }} as share_of_active{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from today
left join before on today.date = before.date and today.brand = before.brand and today.tier = before.tier
