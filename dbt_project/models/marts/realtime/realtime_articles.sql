select
    brand,
    assumeNotNull(events.page_key) as page_key,
    argMaxIf(events.title, events.occurred_at, events.title is not null) as title,
    {{ live_measures() }}
from {{ ref("stg_live_events") }} as events
where events.page_key is not null
group by brand, page_key
