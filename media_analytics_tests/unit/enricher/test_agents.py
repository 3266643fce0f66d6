"""Browsers, devices and bots."""

import json
from importlib import resources
from typing import Any

import pytest

from media_analytics.contracts.topics.user import BOT_CLASSES, DEVICE_TYPES
from streaming.enricher.agents import NO_AGENT, Agents, Bots, Devices, crawlers

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)
_KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/126.0.0.0 Safari/537.36"


def table(name: str) -> Any:
    return json.loads(resources.files("streaming.enricher.data").joinpath(f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def agents() -> Agents:
    return Agents(Bots(table("bots"), crawlers()), Devices(table("devices")))


def test_a_phone(agents: Agents) -> None:
    found = agents.find(IPHONE)
    assert found._asdict() == {
        "browser": "Mobile Safari",
        "browser_version": "17.5",
        "os": "iOS",
        "os_version": "17.5",
        "device_type": "phone",
        "is_bot": False,
        "bot_name": None,
        "bot_class": None,
    }


@pytest.mark.parametrize(
    ("device_type", "text"),
    [
        ("desktop", WINDOWS),
        (
            "desktop",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
        ),
        ("desktop", "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"),
        ("desktop", "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0; Tablet PC 2.0)"),
        (
            "phone",
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36",
        ),
        ("phone", "Mozilla/5.0 (Android; Mobile; rv:28.0) Gecko/28.0 Firefox/28.0"),
        ("phone", "Dalvik/1.6.0 (Linux; U; Android 4.2.2; A114 Build/JDQ39)"),
        (
            "phone",
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; NOKIA; Lumia 920)",
        ),
        ("phone", "SAMSUNG-GT-E2232/1.0 Openwave/6.2.3 Profile/MIDP-2.0 Configuration/CLDC-1.1"),
        (
            "tablet",
            "Mozilla/5.0 (iPad; CPU OS 7_0_4 like Mac OS X) AppleWebKit/537.51.1 Version/7.0 Mobile/11B554a",
        ),
        (
            "tablet",
            "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
        ),
        ("tablet", "Mozilla/5.0 (Android; Tablet; rv:27.0) Gecko/27.0 Firefox/27.0"),
        ("tv", "Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/538.1 Version/5.0 TV Safari/538.1"),
        ("tv", "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/79.0.3945.79 Safari/537.36"),
        (
            "tv",
            "Mozilla/5.0 (Linux; Android 9; AFTMM) AppleWebKit/537.36 Chrome/100.0.0.0 Mobile Safari/537.36",
        ),
        (
            "console",
            "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 Version/13.0 Safari/605.1.15",
        ),
        (
            "console",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 Edge/44.18363.8131",
        ),
        ("other", "Mozilla/5.0"),
    ],
)
def test_device_types(agents: Agents, device_type: str, text: str) -> None:
    found = agents.find(text)
    assert (found.device_type, found.is_bot) == (device_type, False)


@pytest.mark.parametrize(
    ("name", "bot_class", "text"),
    [
        ("Googlebot", "search", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        ("Googlebot", "search", f"{IPHONE} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        ("Bingbot", "search", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
        (
            "EasouSpider",
            "search",
            "Mozilla/5.0 (compatible; EasouSpider; +http://www.easou.com/search/spider.html)",
        ),
        (
            "GPTBot",
            "ai",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com)",
        ),
        (
            "ClaudeBot",
            "ai",
            "Mozilla/5.0 AppleWebKit/537.36 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        ),
        ("Applebot-Extended", "ai", "Mozilla/5.0 (compatible; Applebot-Extended/0.1)"),
        (
            "UptimeRobot",
            "monitoring",
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        ),
        ("AhrefsBot", "seo", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
        ("UniversalFeedParser", "feed", "UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/"),
        ("Tiny Tiny RSS", "feed", "Tiny Tiny RSS/1.11 (http://tt-rss.org/)"),
        ("curl", "other", "curl/8.4.0"),
        ("BeetleBot", "other", "Mozilla/5.0 (compatible; BeetleBot; )"),
        ("Browser automation", "other", WINDOWS.replace("Chrome", "HeadlessChrome")),
    ],
)
def test_bots(agents: Agents, name: str, bot_class: str, text: str) -> None:
    """A bot is no phone, whatever phone it names."""
    found = agents.find(text)
    assert (found.is_bot, found.bot_name, found.bot_class) == (True, name, bot_class)
    assert found.device_type == "other"


def test_a_bot_known_only_by_pattern_is_named_by_its_text(agents: Agents) -> None:
    found = agents.find("magpie-crawler/1.1 (U; Linux amd64; en-GB; +http://www.brandwatch.net)")
    assert (found.is_bot, found.bot_name) == (True, "magpie-crawler")


@pytest.mark.parametrize("text", [None, "", "-"])
def test_no_user_agent(agents: Agents, text: str | None) -> None:
    assert agents.find(text) == NO_AGENT


def test_a_phone_called_cubot_is_no_bot(agents: Agents) -> None:
    found = agents.find(
        "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537"
    )
    assert (found.is_bot, found.device_type) == (False, "phone")


def test_hostile_text_takes_linear_time(agents: Agents) -> None:
    """A backtracking engine would hang here; the test's own time limit would end it."""
    assert agents.find("a" * 100_000 + "!").device_type == "other"
    assert agents.find("Mozilla/5.0 (" + "Android " * 5_000).is_bot is False
    assert agents.find("\x00\ud7ff" * 500).device_type == "other"


def test_tables_hold_only_the_classes_of_the_contract() -> None:
    bots = table("bots")
    assert {b["class"] for b in bots["bots"]} | set(bots["classes_of_tags"].values()) == set(BOT_CLASSES)
    assert {rule["device_type"] for rule in table("devices")["rules"]} | {"other"} == set(DEVICE_TYPES)


def test_the_packaged_crawlers_are_all_found() -> None:
    """The pattern set and the table it indexes must stay in step."""
    found = Bots(table("bots"), crawlers())
    missed = [i for c in crawlers() for i in c["instances"] if found.find(i) is None]
    assert missed == []
