-- Rows of the last day by arrival, of live traffic; one row per coordinate, copies of an event among them.
select
    brand,
    event_id,
    event_type,
    occurred_at,
    visitor_id,
    is_bot,
    page_key,
    title,
    coalesce(section, 'unknown') as section,
    coalesce(country, 'unknown') as country,
    coalesce(referrer_medium, 'unknown') as referrer_medium,
    coalesce(referrer_source, 'unknown') as referrer_source
from {{ source("realtime", "user_events") }}
where
    appended_at >= {{ right_now() }} - interval {{ var("live_hours") }} hour
    and occurred_at >= {{ right_now() }} - interval {{ var("live_hours") }} hour
    and origin = 'live'
    and event_type != 'resource_request'
