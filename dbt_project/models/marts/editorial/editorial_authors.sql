{{ config(
    materialized="incremental",
    incremental_strategy="insert_overwrite",
    partition_by="date",
    order_by=["date", "brand", "author"],
    post_hook="{{ drop_emptied('date', is_due('date'), ref('editorial_articles')) }}",
) }}

select
    date,
    brand,
    arrayJoin(authors) as author,
    {{ measures_of_articles() }}
from {{ ref("editorial_articles") }} as pages
where {{ is_due("date") }}
group by date, brand, author
