-- The first week of a cohort holds all its visitors.
select cohort_date, brand, cohort_visitors, returned_visitors
from {{ ref("bi_cohorts") }}
where week_number = 0 and returned_visitors != cohort_visitors
