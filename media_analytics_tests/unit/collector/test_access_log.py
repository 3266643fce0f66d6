"""The parser of the combined log format."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streaming.collector.access_log import LineError, is_static, parse

LINE = (
    '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/b.html?x=1 HTTP/1.1" 200 203023 '
    '"http://example.com/" "Mozilla/5.0 (X11)"'
)


def line(request: str = "GET / HTTP/1.1", status: str = "200", agent: str = "agent", **parts: str) -> str:
    host, user = parts.get("host", "192.0.2.1"), parts.get("user", "-")
    stamp, size = parts.get("time", "17/May/2015:10:05:03 +0000"), parts.get("size", "5")
    return f'{host} - {user} [{stamp}] "{request}" {status} {size} "{parts.get("referrer", "-")}" "{agent}"'


def test_a_line_has_its_parts() -> None:
    parsed = parse(LINE)
    assert parsed.host == "83.149.9.216"
    assert parsed.occurred_at == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)
    assert (parsed.method, parsed.target, parsed.status, parsed.bytes_sent) == (
        "GET",
        "/a/b.html?x=1",
        200,
        203023,
    )
    assert (parsed.referrer, parsed.user_agent) == ("http://example.com/", "Mozilla/5.0 (X11)")


_MOMENTS = st.integers(-2_200_000_000, 4_100_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
_FIELD = st.text(st.characters(codec="utf-8", exclude_characters='"\\'), max_size=50)


@settings(max_examples=200, deadline=None)
@given(_FIELD, _FIELD, st.integers(100, 599), _MOMENTS)
@example(r"a \" b", r"\\", 200, datetime(2026, 1, 1, tzinfo=UTC))
def test_fields_come_back_as_they_were(agent: str, referrer: str, status: int, moment: datetime) -> None:
    parsed = parse(line(agent=agent, referrer=referrer, status=str(status), time=_apache(moment)))
    assert parsed.user_agent == (agent if agent not in ("", "-") else None)
    assert parsed.referrer == (referrer if referrer not in ("", "-") else None)
    assert (parsed.status, parsed.occurred_at) == (status, moment)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet='"\\[] -GET/:0159May+', max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except LineError as error:
        assert str(error)


def test_a_quote_after_a_backslash_belongs_to_its_field() -> None:
    parsed = parse(line(agent=r"say \"hello\" \\", request=r"GET /\"quoted\" HTTP/1.1"))
    assert parsed.user_agent == r"say \"hello\" \\"
    assert parsed.target == r"/\"quoted\""


def test_the_time_is_turned_to_utc() -> None:
    assert parse(line(time="01/Jan/2026:00:30:00 +0130")).occurred_at == datetime(
        2025, 12, 31, 23, tzinfo=UTC
    )
    assert parse(line(time="31/Dec/2025:22:30:00 -0130")).occurred_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_absent_values_are_null() -> None:
    parsed = parse(line(agent="-", referrer="", size="-"))
    assert (parsed.user_agent, parsed.referrer, parsed.bytes_sent) == (None, None, None)


@pytest.mark.parametrize("user", ["-", "frank", "frank the tank", "müller"])
def test_user_names_may_have_blanks(user: str) -> None:
    assert parse(line(user=user)).target == "/"


@pytest.mark.parametrize(
    "request_", ["-", "", "GET", "GET /", "GET /a b HTTP/1.1", r"\x16\x03\x01", "GET / /x HTTP/1.1"]
)
def test_a_request_of_another_form_has_no_target(request_: str) -> None:
    parsed = parse(line(request=request_))
    assert (parsed.method, parsed.target, parsed.is_page_view) == (None, None, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("no quotes at all", "0 quotes"),
        (LINE[:-1], "5 quotes"),
        (LINE.replace("[17/May/2015:10:05:03 +0000]", "[yesterday]"), "no time"),
        (line(time="31/Feb/2015:10:05:03 +0000"), "time does not exist"),
        (line(time="01/Foo/2015:10:05:03 +0000"), "time does not exist"),
        (line(status="099"), "status"),
        (line(status="abc"), "the line is not"),
        (LINE + " extra", "the line is not"),
        ("x" + LINE.partition(" ")[2], "the line is not"),
    ],
)
def test_a_refusal_says_why(text: str, reason: str) -> None:
    with pytest.raises(LineError, match=reason):
        parse(text)


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        ("GET / HTTP/1.1", "200", True),
        ("HEAD /a HTTP/1.0", "204", True),
        ("GET /a HTTP/2", "304", True),
        ("GET /a HTTP/1.1", "301", False),
        ("GET /a HTTP/1.1", "404", False),
        ("POST /a HTTP/1.1", "200", False),
        ("get /a HTTP/1.1", "200", False),
        ("GET /a.CSS HTTP/1.1", "200", False),
        ("GET /a.css?v=2 HTTP/1.1", "200", False),
        ("GET /a.css/ HTTP/1.1", "200", True),
        ("GET /a.html HTTP/1.1", "200", True),
        ("GET /?file=a.css HTTP/1.1", "200", True),
        ("GET /a?x=/b.css HTTP/1.1", "200", True),
        ("GET /a#b.css HTTP/1.1", "200", True),
    ],
)
def test_page_views(request_: str, status: str, expected: bool) -> None:
    assert parse(line(request=request_, status=status)).is_page_view is expected


@pytest.mark.parametrize("target", ["/favicon.ico", "/a/b.min.js", "/x.tar.gz", "/A.PNG#top", "robots.txt"])
def test_static_files(target: str) -> None:
    assert is_static(target)


@pytest.mark.parametrize("target", ["/", "/css", "/js/", "/a.css.html", "/a.", "/jpeg?x"])
def test_what_only_looks_static(target: str) -> None:
    assert not is_static(target)


@pytest.mark.parametrize(
    "text",
    [
        "h - " + '[17/May/2015:10:05:03 +0000] "' * 2000,
        'h - - [17/May/2015:10:05:03 +0000] "' + "\\" * 60_000,
        'h - - [17/May/2015:10:05:03 +0000] "' + '\\"' * 30_000,
        "h " * 30_000,
        "h - " + "a " * 30_000,
        line(agent="x" * 65_536)[:-1],
    ],
)
def test_long_hostile_lines_take_no_time(text: str) -> None:
    """Catches an expression that tries every way to split a line: these would take minutes."""
    began = time.perf_counter()
    with pytest.raises(LineError):
        parse(text)
    assert time.perf_counter() - began < 2


def _apache(moment: datetime) -> str:
    months = "JanFebMarAprMayJunJulAugSepOctNovDec"
    month = months[3 * moment.month - 3 : 3 * moment.month]
    return f"{moment:%d}/{month}/{moment.year:04d}:{moment:%H:%M:%S} +0000"
