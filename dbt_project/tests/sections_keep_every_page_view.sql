-- An article belongs to one section, so the page views of a date's sections are those of its articles.
with
sections as (
    select date, sum(page_views) as page_views
    from {{ ref("editorial_sections") }}
    where {{ is_due("date") }}
    group by date
),

articles as (
    select date, sum(page_views) as page_views
    from {{ source("warehouse", "reader_engagement") }}
    where {{ is_due("date") }}
    group by date
)

select articles.date, sections.page_views, articles.page_views as in_lake
from articles
full join sections on articles.date = sections.date
where articles.page_views != sections.page_views
