{# The column is not greater than `other`, a column or a number, where both are known; `day` as in unique_combination. #}
{% test at_most(model, column_name, other, day=none) %}
select {{ column_name }}, {{ other }} as bound
from {{ model }}
where {{ column_name }} > {{ other }}
{% if day %}and {{ is_due(day) }}{% endif %}
{% endtest %}
