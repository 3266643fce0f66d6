{#
  Appended behind weeks that are dropped first, not `insert_overwrite`: that would keep a week in which, after a
  change, nobody came for the first time. Weeks that a run dropped before it died are made by the next one; a part of
  a week, which a store leaves that dies within the insert, is made good when the dates of that run are repeated.
#}
{{ config(
    materialized="incremental",
    incremental_strategy="append",
    partition_by="cohort_date",
    order_by=["cohort_date", "brand", "who", "visitor_id"],
    pre_hook="{{ drop_partitions('cohort_date', is_since_due_week('cohort_date')) }}",
) }}

with
came as (
    select
        brand,
        arrayJoin(if(is_bot, ['all'], ['all', 'human'])) as who,
        visitor_id,
        min(toDate32(toMonday(date))) as cohort_date
    from {{ source("warehouse", "sessions") }}
    where {{ is_since_due_week("date", reached="cohort_date") }}
    group by brand, who, visitor_id
)

select
    cohort_date,
    brand,
    who,
    visitor_id
from came
{% if is_incremental() %}
    -- Reads every visitor there ever was once, and remembers those of these weeks only.
    where (brand, who, visitor_id) not in (
        select
            brand,
            who,
            visitor_id
        from {{ this }}
        where (brand, who, visitor_id) in (select brand, who, visitor_id from came)
    )
{% endif %}
