"""Which partitions of a mart a run may restate, and what a mart's measures are."""

from datetime import UTC, date, datetime

import pytest

from media_analytics.errors import ContractError
from media_analytics.warehouse.restating import Mart, marts
from media_analytics.warehouse.translator import Closes, Meta

MARCH = [date(2026, 3, day) for day in range(1, 32)]


@pytest.mark.parametrize(
    ("closes", "now", "expected"),
    [
        # The 10th is published at 03:00 of the 11th.
        ("day", datetime(2026, 3, 11, 2, 59, tzinfo=UTC), (8, 9)),
        ("day", datetime(2026, 3, 11, 3, tzinfo=UTC), (8, 10)),
        ("day", datetime(2026, 3, 8, tzinfo=UTC), None),
        # Articles of the 9th are followed until the 10th ends; a run of the 8th adds to those of the 7th.
        ("next_day", datetime(2026, 3, 11, 2, 59, tzinfo=UTC), (7, 8)),
        ("next_day", datetime(2026, 3, 11, 3, tzinfo=UTC), (7, 9)),
        # The 2nd and the 9th are Mondays; a visitor of the 8th may be new in any later week.
        ("week", datetime(2026, 3, 9, 2, 59, tzinfo=UTC), None),
        ("week", datetime(2026, 3, 9, 3, tzinfo=UTC), (2, 2)),
        ("week", datetime(2026, 3, 31, tzinfo=UTC), (2, 23)),
        ("month", datetime(2026, 4, 1, 2, 59, tzinfo=UTC), None),
        ("month", datetime(2026, 4, 1, 3, tzinfo=UTC), (1, 1)),
    ],
)
def test_only_what_was_published_is_restated(
    closes: Closes, now: datetime, expected: tuple[int, int] | None
) -> None:
    mart = Mart("m", "date", (), closes)
    days = expected and tuple(date(2026, 3, day) for day in expected)
    assert mart.published(MARCH[7], MARCH[10], now) == days


def test_a_run_over_two_months_restates_the_one_that_is_over() -> None:
    mart = Mart("m", "month_date", (), "month")
    found = mart.published(date(2026, 2, 27), date(2026, 3, 2), datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert found == (date(2026, 2, 1), date(2026, 2, 1))


def test_every_mart_that_grows_has_measures_a_date_and_a_brand() -> None:
    found = {mart.name: mart for mart in marts()}
    assert found["bi_brand_months"].closes == "month"
    assert found["editorial_first_hours"].closes == "next_day"
    assert found["bi_brand_days"].closes == "day"
    assert found["bi_cohorts"].closes == "week"
    for mart in found.values():
        assert mart.date_column in ("date", "week_date", "month_date")
        assert mart.measures, mart.name
        assert not {"brand", "hour_number", mart.date_column} & set(mart.measures)
    assert {"sessions", "visitors_human", "bounce_rate", "ad_revenue_eur"} <= set(
        found["bi_brand_days"].measures
    )
    assert "is_premium" not in found["editorial_articles"].measures


def test_a_model_that_closes_with_something_else_is_named() -> None:
    meta = {"partitions": "daily", "refresh_minutes": 60, "owner": "team:a", "closes": "year"}
    with pytest.raises(ContractError, match="closes with 'year'"):
        Meta.of({"name": "m", "config": {"meta": meta}})
