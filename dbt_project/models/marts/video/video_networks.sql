select
    date,
    cdn,
    sum(places.requests) as requests,
    sum(places.gigabytes) as gigabytes,
    {{ ratio("sum(places.error_rate * places.requests)", "sum(places.requests)") }} as error_rate
from {{ source("warehouse", "delivery_quality") }} as places
group by date, cdn
