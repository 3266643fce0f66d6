select
    date,
    device_type,
    sum(rows_of_date.plays) as plays,
    sum(rows_of_date.watch_hours) as watch_hours,
    sum(rows_of_date.requests) as requests,
    {{ ratio("sum(rows_of_date.completion_rate * rows_of_date.plays)", "sum(rows_of_date.plays)") }} as completion_rate,
    {{ ratio("sum(rows_of_date.error_rate * rows_of_date.requests)", "sum(rows_of_date.requests)") }} as error_rate
from {{ source("warehouse", "device_analytics") }} as rows_of_date
group by date, device_type
