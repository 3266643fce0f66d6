-- Dates and brands with sessions, subscriptions or videos.
select date, brand from {{ source("warehouse", "reader_sessions") }}
union distinct
select date, brand from {{ source("warehouse", "reader_subscriptions") }}
union distinct
select date, brand from {{ source("warehouse", "executive_summary") }}
