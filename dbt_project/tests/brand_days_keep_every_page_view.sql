-- Page views of a date and brand are those of the lake's table.
select days.date, days.brand, days.page_views, readers.page_views as in_lake
from {{ ref("bi_brand_days") }} as days
full join {{ source("warehouse", "reader_sessions") }} as readers
    on days.date = readers.date and days.brand = readers.brand
where days.page_views != readers.page_views and {{ is_due("greatest(days.date, readers.date)") }}
