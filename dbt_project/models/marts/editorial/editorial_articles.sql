{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand", "page_key"],
    post_hook="{{ drop_emptied('date', is_due('date'), source('warehouse', 'reader_engagement')) }}",
) }}

with pages as (
    select
        *,
        toDateTime64(addDays(date, 1), 6, 'UTC') as ends_at
    from {{ source("warehouse", "reader_engagement") }}
    where {{ is_due("date") }}
)

-- The catalogue as it was at the end of the date.
select
    pages.date as date,
    pages.brand as brand,
    pages.page_key as page_key,
    if(content.event_id = '', pages.title, toNullable(content.title)) as headline,
    if(content.event_id = '', 'unknown', content.section) as section,
    content.authors as authors,
    content.is_premium as is_premium,
    if(content.event_id = '', null, toNullable(content.word_count)) as word_count,
    {% for twin in ["", "_human"] %}
        pages.page_views{{ twin }} as page_views{{ twin }},
        pages.visitors{{ twin }} as visitors{{ twin }},
        pages.sessions{{ twin }} as sessions{{ twin }},
        pages.engaged_seconds{{ twin }} as engaged_seconds{{ twin }},
        {{ ratio("pages.engaged_seconds" ~ twin, "pages.page_views" ~ twin) }}
            as engaged_seconds_per_page_view{{ twin }},
        pages.scroll_pct_p50{{ twin }} as scroll_pct_p50{{ twin }},
        pages.shares{{ twin }} as shares{{ twin }},
        pages.entries{{ twin }} as entries{{ twin }},
        pages.exits{{ twin }} as exits{{ twin }},
        pages.recirculation_ratio{{ twin }} as recirculation_ratio{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from pages
asof left join {{ source("warehouse", "content") }} as content
    on pages.brand = content.brand and pages.page_key = content.content_id and pages.ends_at > content.valid_from
