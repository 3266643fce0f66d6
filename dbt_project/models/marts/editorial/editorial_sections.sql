{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand", "section"],
    post_hook="{{ drop_emptied('date', is_due('date'), ref('editorial_articles')) }}",
) }}

select
    date,
    brand,
    section,
    uniqExact(page_key) as articles,
    {% for twin in ["", "_human"] %}
        sum(page_views{{ twin }}) as page_views{{ twin }},
        sum(engaged_seconds{{ twin }}) as engaged_seconds{{ twin }},
        sum(entries{{ twin }}) as entries{{ twin }},
        sum(exits{{ twin }}) as exits{{ twin }},
        sum(shares{{ twin }}) as shares{{ twin }},
        {{ ratio("engaged_seconds" ~ twin, "page_views" ~ twin) }} as engaged_seconds_per_page_view{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from {{ ref("editorial_articles") }}
where {{ is_due("date") }}
group by date, brand, section
