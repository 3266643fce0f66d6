-- Starts are events of readers; errors are calls of applications that failed.
with starts as (
    select
        brand,
        uniqExactIf(event_id, {{ happened("live_minutes", "minute") }}) as starts_30m,
        uniqExact(event_id) as starts_24h,
        uniqExactIf(event_id, {{ happened("live_minutes", "minute") }} and not is_bot) as starts_30m_human,
        uniqExactIf(event_id, not is_bot) as starts_24h_human
    from {{ ref("stg_live_events") }}
    where event_type = 'video_start'
    group by brand
),

calls as (
    select
        brand,
        uniqExactIf(event_id, {{ happened("live_minutes", "minute") }}) as calls_30m,
        uniqExact(event_id) as calls_24h,
        uniqExactIf(event_id, {{ happened("live_minutes", "minute") }} and status = 'error') as errors_30m,
        uniqExactIf(event_id, status = 'error') as errors_24h
    from {{ source("realtime", "interactions") }}
    where
        appended_at >= {{ right_now() }} - interval {{ var("live_hours") }} hour
        and {{ happened("live_hours", "hour") }}
        and event_type in ('{{ var("video_interactions") | join("', '") }}')
    group by brand
),

brands as (
    select brand from starts
    union distinct
    select brand from calls
)

select
    brands.brand as brand,
    starts.starts_30m as starts_30m,
    starts.starts_24h as starts_24h,
    starts.starts_30m_human as starts_30m_human,
    starts.starts_24h_human as starts_24h_human,
    calls.calls_30m as calls_30m,
    calls.calls_24h as calls_24h,
    calls.errors_30m as errors_30m,
    calls.errors_24h as errors_24h,
    {{ ratio("calls.errors_30m", "calls.calls_30m") }} as error_rate_30m,
    {{ ratio("calls.errors_24h", "calls.calls_24h") }} as error_rate_24h
from brands
left join starts on brands.brand = starts.brand
left join calls on brands.brand = calls.brand
