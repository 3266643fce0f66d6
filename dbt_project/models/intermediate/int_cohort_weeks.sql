-- First weeks of each brand, with each week up to the newest: one in which nobody came back counts, too.
select
    toDate32(addDays(cohort_date, 7 * week_number)) as week_date,
    brand,
    cohort_date,
    toUInt16(arrayJoin(range({{ var("retention_weeks") }} + 1))) as week_number
from (select distinct cohort_date, brand from {{ ref("int_first_weeks") }})
where week_date <= (select max(date) from {{ source("warehouse", "sessions") }})
