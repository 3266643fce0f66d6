select
    brand,
    referrer_medium,
    referrer_source,
    {{ live_measures() }}
from {{ ref("stg_live_events") }}
group by brand, referrer_medium, referrer_source
