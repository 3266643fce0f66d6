-- Months and brands with anything to count.
select distinct
    toDate32(toStartOfMonth(date)) as month_date,
    brand
from {{ ref("int_brand_days") }}
