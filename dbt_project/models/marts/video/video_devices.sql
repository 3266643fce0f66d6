select
    date,
    device_type,
    {{ measures_of_videos() }}
from {{ source("warehouse", "device_analytics") }} as rows_of_date
group by date, device_type
