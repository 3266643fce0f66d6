-- Sessions over all sources of a date and brand are the sessions of the date and brand.
with
by_source as (
    select date, brand, sum(sessions) as sessions
    from {{ ref("bi_acquisition") }}
    where {{ is_due("date") }}
    group by date, brand
),

stored as (
    select date, brand, count() as sessions
    from {{ source("warehouse", "sessions") }}
    where {{ is_due("date") }}
    group by date, brand
)

select stored.date, stored.brand, by_source.sessions, stored.sessions as in_lake
from stored
full join by_source on stored.date = by_source.date and stored.brand = by_source.brand
where stored.sessions != by_source.sessions
