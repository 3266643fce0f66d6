-- A visitor of a month came on at least one of its days, so their sum is the upper bound.
with days as (
    select toDate32(toStartOfMonth(date)) as month_date, brand, sum(visitors) as visitors
    from {{ ref("bi_brand_days") }}
    where {{ is_in_due_month("date") }}
    group by month_date, brand
)

select months.month_date, months.brand, months.visitors, days.visitors as of_days
from {{ ref("bi_brand_months") }} as months
left join days on months.month_date = days.month_date and months.brand = days.brand
where {{ is_in_due_month("months.month_date") }} and months.visitors > days.visitors
