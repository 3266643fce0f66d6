select
    date,
    brand,
    coalesce(section, 'unknown') as section,
    count() as assets,
    sum(plays) as plays,
    sum(completions) as completions,
    sum(watch_hours) as watch_hours,
    sum(impressions) as impressions,
    sum(ad_revenue_eur) as ad_revenue_eur,
    {{ ratio("completions", "plays") }} as completion_rate,
    {{ ratio("plays", "impressions") }} as play_rate
from {{ source("warehouse", "content_performance") }}
group by date, brand, section
