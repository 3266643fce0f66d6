{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    full_refresh=false,
    partition_by="date",
    order_by=["date", "brand", "page_key", "hour_number"],
) }}
-- depends_on: {{ source("warehouse", "reader_engagement") }}

-- An event of a date belongs to articles published on it or the day before.
with
articles as (
    select
        brand,
        content_id as page_key,
        argMax(catalogue.section, catalogue.valid_from) as section,
        min(catalogue.published_at) as first_published_at,
        toDate32(first_published_at) as date
    from {{ source("warehouse", "content") }} as catalogue
    group by brand, page_key
    having {{ is_due("date", days_before=1) }} and {{ is_kept("date") }}
),

hours as (
    select
        *,
        toUInt8(arrayJoin(range({{ var("first_hours") }}))) as hour_number
    from articles
    -- Hours that are not over have no number yet.
    where addHours(first_published_at, hour_number + 1) <= {{ right_now() }}
),

views as (
    {{ reader_events(
        ["page_key", "is_bot"],
        "event_type = 'page_view' and page_key is not null",
        days_before=1,
        days_after=1,
    ) }}
),

counted as (
    select
        views.brand as brand,
        articles.page_key as page_key,
        toUInt8(intDiv(
            dateDiff('microsecond', articles.first_published_at, views.occurred_at),
            dateDiff('microsecond', articles.first_published_at, addHours(articles.first_published_at, 1))
        )) as hour_number,
        count() as page_views,
        countIf(not views.is_bot) as page_views_human
    from views
    inner join articles on views.brand = articles.brand and views.page_key = articles.page_key
    where
        views.occurred_at >= articles.first_published_at
        and views.occurred_at < addHours(articles.first_published_at, {{ var("first_hours") }})
    group by brand, page_key, hour_number
)

select
    hours.date as date,
    hours.brand as brand,
    hours.page_key as page_key,
    hours.section as section,
    hours.hour_number as hour_number,
    {% for twin in ["", "_human"] %}
        counted.page_views{{ twin }} as page_views{{ twin }},
        sum(counted.page_views{{ twin }}) over (
            partition by hours.brand, hours.page_key order by hours.hour_number
        ) as page_views_so_far{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from hours
left join counted
    on hours.brand = counted.brand
    and hours.page_key = counted.page_key
    and hours.hour_number = counted.hour_number
