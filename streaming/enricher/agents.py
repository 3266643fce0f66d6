"""What a user agent says: browser, system, kind of device, whether it is a bot.

Belongs here: applying the tables `data/bots.json`, `data/devices.json` and the ua-parser definitions. Does not belong
here: the tables' content. Patterns are RE2: linear time on any input.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import re2
from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

_CACHE_SIZE = 10_000
_PATTERN_MEMORY_BYTES = 64 * 1024 * 1024
_LONGEST = 256


class Agent(NamedTuple):
    """Facts of one user agent. `device_type` of a bot is `other`."""

    browser: str | None
    browser_version: str | None
    os: str | None
    os_version: str | None
    device_type: str
    is_bot: bool
    bot_name: str | None
    bot_class: str | None


NO_AGENT = Agent(None, None, None, None, "other", False, None, None)


class Agents:
    """Parses user agents; the ones seen last are cached."""

    def __init__(self, bots: "Bots", devices: "Devices") -> None:
        self._bots = bots
        self._devices = devices
        self._parser = Parser(Resolver(load_lazy_builtins()))
        self.find = functools.lru_cache(maxsize=_CACHE_SIZE)(self._find)

    def _find(self, text: str | None) -> Agent:
        if not text or text == "-":
            return NO_AGENT
        parsed = self._parser.parse(text)
        browser, system = parsed.user_agent, parsed.os
        bot = self._bots.find(text)
        return Agent(
            browser=_short(browser.family) if browser else None,
            browser_version=_version(browser.major, browser.minor, browser.patch) if browser else None,
            os=_short(system.family) if system else None,
            os_version=_version(system.major, system.minor, system.patch) if system else None,
            device_type="other" if bot else self._devices.find(text),
            is_bot=bot is not None,
            bot_name=bot[0] if bot else None,
            bot_class=bot[1] if bot else None,
        )


class Bots:
    """Name and class of a bot: own table first, then the crawler-user-agents patterns, then generic words."""

    def __init__(self, table: Mapping[str, Any], crawlers: Sequence[Mapping[str, Any]]) -> None:
        self._entries: list[tuple[re.Pattern[str] | None, str, str]] = []
        self._set = re2.Set.SearchSet(_options())
        for bot in table["bots"]:
            self._add(bot["pattern"], bot["name"], bot["class"])
        classes: Mapping[str, str] = table["classes_of_tags"]
        for crawler in crawlers:
            tags = crawler.get("tags", ())
            kind = next((c for tag, c in classes.items() if tag in tags), "other")
            self._add(crawler["pattern"], "", kind)
        self._set.Compile()
        self._generic = re2.compile(table["generic"], _options())
        self._not_bots = re2.compile(table["not_bots"], _options())

    def find(self, text: str) -> tuple[str, str] | None:
        """(name, class), or None when the user agent is no known bot."""
        matches = self._set.Match(text)
        if matches:
            pattern, name, kind = self._entries[min(matches)]
            return name or _matched_name(pattern, text), kind
        generic = self._generic.search(self._not_bots.sub("", text))
        return (_short(generic.group(0)), "other") if generic else None

    def _add(self, pattern: str, name: str, kind: str) -> None:
        self._set.Add(pattern)
        # Named by the text that matched: the data has patterns, not names.
        self._entries.append((None if name else re2.compile(pattern, _options()), name, kind))


class Devices:
    """Kind of device: the first rule that fits."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._rules = [
            (
                rule["device_type"],
                [re2.compile(p, _options()) for p in rule["all"]],
                [re2.compile(p, _options()) for p in rule.get("none", ())],
            )
            for rule in table["rules"]
        ]

    def find(self, text: str) -> str:
        """One of the device types of the contract."""
        for device_type, wanted, unwanted in self._rules:
            if all(p.search(text) for p in wanted) and not any(p.search(text) for p in unwanted):
                return str(device_type)
        return "other"


def crawlers() -> list[dict[str, Any]]:
    """Patterns of the crawler-user-agents package; its own import would compile them with `re`."""
    text = resources.files("crawleruseragents").joinpath("crawler-user-agents.json").read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY_BYTES
    options.log_errors = False
    return options


def _matched_name(pattern: Any, text: str) -> str:
    found = pattern.search(text)
    return _short(found.group(0).strip(" /;:,()[]+-^$\\")) if found else "unknown"


def _version(*parts: str | None) -> str | None:
    known = []
    for part in parts:
        if part is None:
            break
        known.append(part)
    return _short(".".join(known)) if known else None


def _short(text: str) -> str:
    return text[:_LONGEST]
