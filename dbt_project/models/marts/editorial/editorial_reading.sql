{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    full_refresh=false,
    partition_by="date",
    order_by=["date", "brand", "page_key"],
) }}

with
-- What each visitor looked at, and how far down: other events say neither.
looks as (
    {{ reader_events(
        ["event_type", "page_key", "visitor_id", "is_bot", "scroll_pct"],
        "visitor_id is not null and page_key is not null "
        ~ "and (event_type = 'page_view' or scroll_pct is not null)",
    ) }}
),

readers as (
    select
        date,
        brand,
        assumeNotNull(looks.page_key) as page_key,
        visitor_id,
        countIf(event_type = 'page_view') as page_views,
        max(scroll_pct) as deepest_pct,
        countIf(event_type = 'page_view' and not is_bot) as page_views_human,
        maxIf(scroll_pct, not is_bot) as deepest_pct_human
    from looks
    group by date, brand, page_key, visitor_id
),

-- Few: the store makes a model's parts anew wherever they are named, and keeps the right side of a join in memory.
starts as (
    {{ reader_events(
        ["visitor_id", "is_bot"],
        "visitor_id is not null and event_type = 'subscription_start'",
    ) }}
),

views as (
    {{ reader_events(
        ["page_key", "visitor_id"],
        "visitor_id is not null and event_type = 'page_view' and page_key is not null",
    ) }}
),

-- The page before a subscription: the visitor's last page view of that date.
subscribers as (
    select
        starts.date as date,
        starts.brand as brand,
        starts.event_id as event_id,
        any(starts.is_bot) as is_bot,
        argMax(assumeNotNull(views.page_key), (views.occurred_at, views.event_id)) as page_key
    from views
    inner join starts
        on views.date = starts.date and views.brand = starts.brand and views.visitor_id = starts.visitor_id
    where views.occurred_at < starts.occurred_at
    group by date, brand, event_id
),

conversions as (
    select date, brand, page_key, count() as conversions, countIf(not is_bot) as conversions_human
    from subscribers
    group by date, brand, page_key
),

pages as (
    select
        date,
        brand,
        page_key,
        countIf(page_views > 0) as readers,
        countIf(page_views > 0 and deepest_pct >= {{ var("read_through_scroll_pct") }}) as read_through_readers,
        countIf(page_views_human > 0) as readers_human,
        countIf(page_views_human > 0 and deepest_pct_human >= {{ var("read_through_scroll_pct") }})
            as read_through_readers_human
    from readers
    group by date, brand, page_key
    having readers > 0
)

select
    pages.date as date,
    pages.brand as brand,
    pages.page_key as page_key,
    {% for twin in ["", "_human"] %}
        pages.readers{{ twin }} as readers{{ twin }},
        pages.read_through_readers{{ twin }} as read_through_readers{{ twin }},
        {{ ratio("pages.read_through_readers" ~ twin, "pages.readers" ~ twin) }} as read_through_ratio{{ twin }},
        conversions.conversions{{ twin }} as conversions{{ twin }},
        if(articles.is_premium, conversions.conversions{{ twin }}, 0)
            as premium_conversions{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from pages
left join conversions
    on pages.date = conversions.date and pages.brand = conversions.brand and pages.page_key = conversions.page_key
left join {{ ref("editorial_articles") }} as articles
    on pages.date = articles.date and pages.brand = articles.brand and pages.page_key = articles.page_key
