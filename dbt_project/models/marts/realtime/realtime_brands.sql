select
    brand,
    {{ live_measures() }}
from {{ ref("stg_live_events") }}
group by brand
