select
    brand,
    country,
    {{ live_measures() }}
from {{ ref("stg_live_events") }}
group by brand, country
