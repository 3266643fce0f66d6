{{ config(materialized="view") }}

select
    date,
    brand,
    impressions,
    plays,
    watch_hours,
    ad_revenue_eur,
    {{ ratio("ad_revenue_eur * " ~ var("advertising_unit"), "plays") }} as ad_revenue_eur_per_thousand_plays,
    {{ ratio("ad_revenue_eur", "watch_hours") }} as ad_revenue_eur_per_watch_hour
from {{ source("warehouse", "executive_summary") }}
