-- A visitor of several first weeks would count as new in each.
select
    brand,
    who,
    visitor_id,
    count() as first_weeks
from {{ ref("int_first_weeks") }}
where
    (brand, who, visitor_id) in (
        select
            brand,
            who,
            visitor_id
        from {{ ref("int_first_weeks") }}
        where {{ is_since_due_week("cohort_date") }}
    )
group by brand, who, visitor_id
having first_weeks > 1
