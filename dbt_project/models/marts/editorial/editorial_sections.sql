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
    {{ measures_of_articles() }}
from {{ ref("editorial_articles") }} as pages
where {{ is_due("date") }}
group by date, brand, section
