{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand"],
    post_hook="{{ drop_emptied('date', is_due('date'), source('warehouse', 'reader_subscriptions')) }}",
) }}

with
rates as (
    select date, brand, tier, segment, conversion_rate, conversion_rate_human
    from {{ source("warehouse", "reader_subscriptions") }}
    where {{ is_due("date") }}
),

started as (
    select
        toDate32(valid_from) as date,
        brand,
        tier,
        segment,
        groupUniqArray(customer_id) as customers,
        groupUniqArrayIf(customer_id, not is_bot) as customers_human
    from {{ source("warehouse", "subscriptions") }}
    where {{ is_due("toDate32(valid_from)") }}
    group by date, brand, tier, segment
),

-- Every rate of a brand's date divides by the same customers: those seen without a subscription. A rate above 0 says
-- how many they were.
days as (
    select
        rates.date as date,
        rates.brand as brand,
        {% for twin in ["", "_human"] %}
            length(arrayDistinct(arrayFlatten(groupArray(started.customers{{ twin }})))) as new_subscribers{{ twin }},
            max(
                if(
                    rates.conversion_rate{{ twin }} > 0,
                    round(length(started.customers{{ twin }}) / rates.conversion_rate{{ twin }}),
                    null
                )
            ) as free_customers{{ twin }},
            max(rates.conversion_rate{{ twin }}) as best_rate{{ twin }}{{ "," if not loop.last }}
        {% endfor %}
    from rates
    left join started
        on rates.date = started.date
        and rates.brand = started.brand
        and rates.tier = started.tier
        and rates.segment = started.segment
    group by date, brand
)

select
    date,
    brand,
    {% for twin in ["", "_human"] %}
        new_subscribers{{ twin }},
        if(best_rate{{ twin }} > 0, new_subscribers{{ twin }} / free_customers{{ twin }}, best_rate{{ twin }})
            as conversion_rate{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from days
