{{ config(materialized="view") }}

select
    date,
    brand,
    page_key,
    section,
    hour_number,
    {% for twin in ["", "_human"] %}
        page_views_so_far{{ twin }},
        median_of_section{{ twin }},
        {{ ratio("page_views_so_far" ~ twin, "median_of_section" ~ twin) }}
            as times_the_median{{ twin }}{{ "," if not loop.last }}
    {% endfor %}
from (
    select
        date,
        brand,
        page_key,
        section,
        hour_number,
        {% for twin in ["", "_human"] %}
            page_views_so_far{{ twin }},
            quantileExactInclusive(page_views_so_far{{ twin }}) over (
                partition by brand, section, hour_number
            ) as median_of_section{{ twin }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref("editorial_first_hours") }}
    where date > addDays(toDate32({{ right_now() }}), -{{ var("curve_days") }})
)
