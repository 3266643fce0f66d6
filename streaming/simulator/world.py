"""The world simulated readers live in.

Belongs here: tables of devices, networks, referrers, campaigns, words and shares, as data. Does not belong here: chance
(`chance.py`), behaviour (`sessions.py`). Shares are plausible, not measured.
"""

from typing import NamedTuple


class Device(NamedTuple):
    """A user agent and its share of human sessions."""

    user_agent: str
    share: float


class Network(NamedTuple):
    """A network: first address, number of host bits that vary, and its share of human sessions."""

    first_address: str
    host_bits: int
    share: float


class Source(NamedTuple):
    """Where a session comes from: referrer, query added to the landing page, share."""

    referrer: str | None
    campaign: str
    share: float


class Bot(NamedTuple):
    """A robot: user agent, one of its networks, share of bot sessions."""

    user_agent: str
    first_address: str
    host_bits: int
    share: float


# Brands the world knows; any other configured brand gets DEFAULT_SHARE.
BRAND_SHARES = {"bild": 0.38, "welt": 0.22, "business_insider": 0.14, "politico": 0.10, "sport_bild": 0.16}
DEFAULT_SHARE = 0.1

# Relative traffic of the hours of a day, UTC.
DIURNAL = (2, 1, 1, 1, 2, 5, 9, 12, 11, 10, 10, 11, 12, 11, 10, 10, 11, 12, 13, 14, 13, 10, 7, 4)

DEVICES = (
    Device(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Mobile/15E148 Safari/604.1",
        0.24,
    ),
    Device(
        "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 "
        "Mobile Safari/537.36",
        0.22,
    ),
    Device(
        "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
        "Mobile Safari/537.36",
        0.10,
    ),
    Device(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
        "Safari/537.36",
        0.16,
    ),
    Device(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 "
        "Safari/537.36 Edg/137.0.0.0",
        0.06,
    ),
    Device("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", 0.06),
    Device(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 "
        "Safari/605.1.15",
        0.08,
    ),
    Device(
        "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 "
        "Mobile/15E148 Safari/604.1",
        0.05,
    ),
    Device(
        "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/5.0 "
        "Chrome/94.0.4606.31 TV Safari/537.36",
        0.02,
    ),
    Device("Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", 0.01),
)

NETWORKS = (
    Network("84.128.0.0", 22, 0.34),  # Germany
    Network("91.0.0.0", 22, 0.20),  # Germany
    Network("2003:e5::", 40, 0.08),  # Germany
    Network("84.112.0.0", 19, 0.08),  # Austria
    Network("178.192.0.0", 19, 0.06),  # Switzerland
    Network("86.128.0.0", 21, 0.05),  # United Kingdom
    Network("24.0.0.0", 20, 0.08),  # United States
    Network("90.0.0.0", 22, 0.03),  # France
    Network("84.24.0.0", 19, 0.03),  # Netherlands
    Network("83.0.0.0", 20, 0.02),  # Poland
    Network("79.0.0.0", 20, 0.02),  # Italy
    Network("80.24.0.0", 18, 0.01),  # Spain
)

SOURCES = (
    Source(None, "", 0.34),
    Source("https://www.google.com/", "", 0.22),
    Source("https://www.google.de/", "", 0.08),
    Source("https://www.bing.com/search?q=nachrichten", "", 0.03),
    Source("https://duckduckgo.com/", "", 0.01),
    Source("https://www.facebook.com/", "fbclid=IwAR0a1b2c3", 0.07),
    Source("https://t.co/Ab12Cd34", "", 0.04),
    Source("https://www.instagram.com/", "", 0.03),
    Source("https://www.reddit.com/r/europe/", "", 0.02),
    Source("https://chatgpt.com/", "utm_source=chatgpt.com", 0.02),
    Source("https://www.perplexity.ai/", "", 0.01),
    Source("https://news.google.com/", "", 0.03),
    Source(None, "utm_source=newsletter&utm_medium=email&utm_campaign=morning", 0.04),
    Source(
        "https://www.google.com/", "gclid=Cj0KCQjw&utm_source=google&utm_medium=cpc&utm_campaign=abo", 0.03
    ),
    Source("https://www.spiegel.de/", "", 0.02),
    Source("https://example.net/blog/links", "", 0.01),
)

BOTS = (
    Bot("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "66.249.64.0", 12, 0.4),
    Bot("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "40.77.167.0", 7, 0.2),
    Bot(
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "20.15.240.64",
        4,
        0.2,
    ),
    Bot("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "54.36.148.0", 7, 0.1),
    Bot("Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "69.162.124.224", 4, 0.1),
)

# Consent of a visitor and its share; None: not asked.
CONSENTS: tuple[tuple[tuple[str, ...] | None, float], ...] = (
    (("analytics", "personalisation", "advertising", "ml_training"), 0.42),
    (("analytics", "personalisation"), 0.18),
    (("analytics",), 0.14),
    (None, 0.18),
    ((), 0.08),
)

WORDS = (
    "wahl", "gipfel", "reform", "debatte", "finale", "transfer", "rekord", "urteil", "markt", "zinsen", "energie",
    "klima", "streik", "koalition", "interview", "analyse", "sommer", "winter", "reise", "familie", "technik", "mond",
    "boerse", "kanzler", "verein", "trainer", "bundesliga", "tor", "sieg", "niederlage", "plan", "krise", "chance",
    "zukunft", "haushalt", "steuer", "wetter", "kultur", "premiere", "star",
)  # fmt: skip
SEARCHES = (
    "wahl 2026",
    "bundesliga tabelle",
    "wetter berlin",
    "aktien",
    "rezepte",
    "o'neill",
    'say "hello"',
    "50% off",
)
SEGMENTS = ("loyal", "occasional", "new", "at_risk")
TIERS = (("basic", 0.7), ("premium", 0.3))
SHARE_TARGETS = ("whatsapp", "facebook", "x", "mail", "copy")

# The other families.
NEWSROOM_HOURS = (0, 0, 0, 0, 1, 4, 7, 9, 10, 10, 9, 9, 8, 9, 9, 9, 9, 9, 8, 6, 5, 3, 2, 1)
AUTHORS = ("A. Becker", "C. Dorn", "E. Fuchs", "G. Hahn", "I. Jansen", "K. Lorenz", "M. Nowak", "O. Peters")
PURPOSES = ("analytics", "personalisation", "advertising", "ml_training")
ACCOUNT_TIERS = (("registered", 0.62), ("basic", 0.26), ("premium", 0.12))
JURISDICTIONS = ("de", "de", "de", "at", "ch", "eu")
# What guards do with robots: event, severity, rule.
GUARDS = (
    ("bot_challenge", 2, "headless_browser"),
    ("bot_challenge", 1, "unknown_agent"),
    ("rate_limited", 2, "requests_per_minute"),
)
INTERACTIONS = (("bookmark", 0.3), ("comment", 0.15), ("vote", 0.25), ("follow", 0.1), ("play", 0.2))
ERROR_CODES = ("timeout", "timeout", "unavailable", "conflict", "invalid")
