-- Page views since publication only grow from hour to hour, and begin with the first hour.
with curves as (
    select
        date,
        brand,
        page_key,
        hour_number,
        page_views_so_far,
        lagInFrame(page_views_so_far) over (
            partition by date, brand, page_key order by hour_number rows between 1 preceding and current row
        ) + page_views as expected
    from {{ ref("editorial_first_hours") }}
    where {{ is_due("date", days_before=1) }}
)

select *
from curves
where page_views_so_far != expected
