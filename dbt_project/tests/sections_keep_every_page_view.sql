-- An article belongs to one section, so the page views of a brand's sections are those of its articles.
with
sections as (
    select date, brand, sum(page_views) as page_views
    from {{ ref("editorial_sections") }}
    where {{ is_due("date") }}
    group by date, brand
),

articles as (
    select date, brand, sum(page_views) as page_views
    from {{ source("warehouse", "reader_engagement") }}
    where {{ is_due("date") }}
    group by date, brand
)

select articles.date, articles.brand, sections.page_views, articles.page_views as in_lake
from articles
full join sections on articles.date = sections.date and articles.brand = sections.brand
where articles.page_views != sections.page_views
