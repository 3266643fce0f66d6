"""Options of generated traffic, and which installation it may go to."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from media_analytics.commands.generate import fill
from media_analytics.errors import MediaAnalyticsError
from media_analytics.generators.traffic import articles, events
from media_analytics.generators.traffic.options import Options, microsecond
from media_analytics_tests.builders import settings as builder

BRANDS = {"bild": ("bild.de", ("politics",)), "welt": ("welt.de", ("business",))}
UNTIL = datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_dates_are_whole_days_and_the_one_of_until() -> None:
    options = Options(days=2, events=10, seed=1, until=UNTIL, brands=BRANDS)
    assert options.dates == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    assert options.first_microsecond == microsecond(datetime(2026, 2, 28, tzinfo=UTC))
    assert options.until_microsecond == microsecond(UNTIL)


@pytest.mark.parametrize(
    ("days", "number", "brands"), [(0, 10, BRANDS), (34, 10, BRANDS), (3, 0, BRANDS), (3, 10, {})]
)
def test_options_out_of_bounds_are_refused(
    days: int, number: int, brands: dict[str, tuple[str, tuple[str]]]
) -> None:
    with pytest.raises(MediaAnalyticsError, match=r"expected|wants"):
        Options(days=days, events=number, seed=1, until=UNTIL, brands=brands)


def test_the_same_options_make_the_same_statements_and_another_seed_others() -> None:
    one, two = (Options(2, 10, seed, UNTIL, BRANDS) for seed in (1, 2))
    assert events.insert(one, 0, 5) == events.insert(one, 0, 5) != events.insert(two, 0, 5)
    assert articles.insert_content(one) != articles.insert_content(two)


@pytest.mark.parametrize(
    ("variables", "said"), [({"LOCAL": "false"}, "not embedded"), ({"ENVIRONMENT": "qa"}, "'qa'")]
)
def test_only_an_embedded_dev_stack_takes_it(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    settings = builder.make(tmp_path)
    changed = settings.model_copy(
        update={name.lower(): {"false": False}.get(value, value) for name, value in variables.items()}
    )
    with pytest.raises(MediaAnalyticsError, match=said):
        fill(changed, Options(2, 10, 1, UNTIL, BRANDS))
