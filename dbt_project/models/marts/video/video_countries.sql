select
    date,
    country_code,
    {{ measures_of_videos() }}
from {{ source("warehouse", "geographic_analytics") }} as rows_of_date
group by date, country_code
