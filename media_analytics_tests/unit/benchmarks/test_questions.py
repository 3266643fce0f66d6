"""What is asked of the dashboard's API when its answers are measured."""

import re
from pathlib import Path

from media_analytics_tests.benchmarks.queries import api
from media_analytics_tests.benchmarks.questions import NOT_ASKED, Found, questions, routes
from media_analytics_tests.builders import settings as builder


def test_every_route_of_the_api_is_asked_or_says_why_not(tmp_path: Path) -> None:
    """Would catch a new route that nobody measures, and one whose path nothing fills."""
    known = routes(api(builder.make(tmp_path)))
    assert len(known) > 20
    asked = questions(known, Found("a-1", "/", "0" * 8))
    assert {question.route for question in asked} | set(NOT_ASKED) == set(known)
    for question in asked:
        assert set(question.places) == set(re.findall(r"{(\w+)}", question.route)), question.name
    names = [question.name for question in asked]
    assert sorted(names) == sorted(set(names))
