{{ config(materialized="table", order_by=["cohort_date", "brand", "week_number"]) }}

with
visits as (
    select
        brand,
        visitor_id,
        toDate32(toMonday(date)) as week_date,
        max(not is_bot) as is_human
    from {{ source("warehouse", "sessions") }}
    group by brand, visitor_id, week_date
),

{% for twin in ["", "_human"] %}
{%- set people = "where is_human" if twin else "" %}
firsts{{ twin }} as (
    select brand, visitor_id, min(week_date) as cohort_date from visits {{ people }} group by brand, visitor_id
),

sizes{{ twin }} as (
    select cohort_date, brand, count() as visitors from firsts{{ twin }} group by cohort_date, brand
),

returned{{ twin }} as (
    select
        {{ "firsts" ~ twin }}.cohort_date as cohort_date,
        visits.brand as brand,
        toUInt16(intDiv(dateDiff('day', {{ "firsts" ~ twin }}.cohort_date, visits.week_date), 7)) as week_number,
        uniqExact(visits.visitor_id) as visitors
    from visits
    inner join firsts{{ twin }}
        on visits.brand = {{ "firsts" ~ twin }}.brand and visits.visitor_id = {{ "firsts" ~ twin }}.visitor_id
    {{ people }}
    group by cohort_date, brand, week_number
    having week_number <= {{ var("retention_weeks") }}
),
{% endfor %}

cohorts as (
    select cohort_date, brand from sizes
    union distinct
    select cohort_date, brand from sizes_human
),

-- Every week up to the newest: one in which nobody came back counts, too.
cells as (
    select
        cohort_date,
        brand,
        toUInt16(arrayJoin(range(toUInt16(least(
            {{ var("retention_weeks") }},
            intDiv(dateDiff('day', cohort_date, (select max(week_date) from visits)), 7)
        )) + 1))) as week_number
    from cohorts
)

select
    cells.cohort_date as cohort_date,
    cells.brand as brand,
    cells.week_number as week_number,
    {% for twin in ["", "_human"] %}
        {{ "sizes" ~ twin }}.visitors as cohort_visitors{{ twin }},
        {{ "returned" ~ twin }}.visitors as returned_visitors{{ twin }},
        {{ ratio("returned" ~ twin ~ ".visitors", "sizes" ~ twin ~ ".visitors") }} as retention_rate{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from cells
{% for twin in ["", "_human"] %}
left join sizes{{ twin }} on cells.cohort_date = {{ "sizes" ~ twin }}.cohort_date and cells.brand = {{ "sizes" ~ twin }}.brand
left join returned{{ twin }}
    on cells.cohort_date = {{ "returned" ~ twin }}.cohort_date
    and cells.brand = {{ "returned" ~ twin }}.brand
    and cells.week_number = {{ "returned" ~ twin }}.week_number
{% endfor %}
