{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="week_date",
    order_by=["week_date", "brand", "cohort_date"],
    post_hook="{{ drop_emptied('week_date', is_since_due_week('week_date'), ref('int_cohort_weeks')) }}",
) }}

with
cells as (
    select week_date, brand, cohort_date, week_number
    from {{ ref("int_cohort_weeks") }}
    where
        {{ is_since_due_week("week_date", reached="week_date") }}
        and {{ is_since_due_week("cohort_date", weeks_before=var("retention_weeks"), reached="week_date") }}
),

firsts as (
    select cohort_date, brand, who, visitor_id
    from {{ ref("int_first_weeks") }}
    where {{ is_since_due_week("cohort_date", weeks_before=var("retention_weeks"), reached="week_date") }}
),

sizes as (
    select cohort_date, brand, countIf(who = 'all') as visitors, countIf(who = 'human') as visitors_human
    from firsts
    group by cohort_date, brand
),

visits as (
    select distinct
        toDate32(toMonday(date)) as week_date,
        brand,
        arrayJoin(if(is_bot, ['all'], ['all', 'human'])) as who,
        visitor_id
    from {{ source("warehouse", "sessions") }}
    where {{ is_since_due_week("date", reached="week_date") }}
),

returned as (
    select
        visits.week_date as week_date,
        visits.brand as brand,
        firsts.cohort_date as cohort_date,
        countIf(visits.who = 'all') as visitors,
        countIf(visits.who = 'human') as visitors_human
    from firsts
    inner join visits
        on firsts.brand = visits.brand and firsts.who = visits.who and firsts.visitor_id = visits.visitor_id
    group by week_date, brand, cohort_date
)

select
    cells.week_date as week_date,
    cells.brand as brand,
    cells.cohort_date as cohort_date,
    cells.week_number as week_number,
    {% for twin in ["", "_human"] %}
        sizes.visitors{{ twin }} as cohort_visitors{{ twin }},
        returned.visitors{{ twin }} as returned_visitors{{ twin }},
        {{ ratio("returned.visitors" ~ twin, "sizes.visitors" ~ twin) }} as retention_rate{{ twin }}
        {{- "," if not loop.last }}
    {% endfor %}
from cells
left join sizes on cells.cohort_date = sizes.cohort_date and cells.brand = sizes.brand
left join returned
    on cells.week_date = returned.week_date
    and cells.brand = returned.brand
    and cells.cohort_date = returned.cohort_date
