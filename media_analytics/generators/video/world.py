"""What simulated video files are about.

Belongs here: brands, words, devices, places, networks and how frequent each is. Does not belong here: chance, rows.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Brand:
    """A brand with its share of assets and the sections it has."""

    name: str
    share: float
    sections: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A kind of device as catalogues spell it; `types` are spellings of one device type."""

    types: tuple[str | None, ...]
    platform: str | None
    os: str | None
    versions: tuple[str, ...]
    manufacturers: tuple[str, ...]
    screens: tuple[tuple[int, int], ...]
    share: float


@dataclass(frozen=True)
class Place:
    """A place as catalogues spell it, with its share of the audience."""

    country_code: str
    country: str
    region: str | None
    city: str
    timezone: str
    share: float


BRANDS = (
    Brand("bild", 0.42, ("politics", "sports", "entertainment", "lifestyle", "crime")),
    Brand("welt", 0.24, ("politics", "business", "technology", "culture")),
    Brand("sport_bild", 0.14, ("football", "basketball", "tennis", "olympics")),
    Brand("politico", 0.12, ("politics", "policy", "elections", "congress")),
    Brand("business_insider", 0.08, ("business", "tech", "finance", "careers", "markets")),
)

ASSET_TYPES = (
    ("clip", 0.55),
    ("news", 0.2),
    ("live", 0.08),
    ("episode", 0.1),
    ("trailer", 0.04),
    ("documentary", 0.03),
)

# Titles are a subject, a verb and an object; the odd ones need quoting in a CSV file.
SUBJECTS = (
    "Minister", "Trainer", "Bundestag", "Verein", "Polizei", "Start-up", "Zeugin", "Kanzler", "Torwart", "Forscher",
    "Gericht", "Parteitag", "Kommission", "Notenbank", "Feuerwehr",
)  # fmt: skip
VERBS = (
    "erklärt",
    "kritisiert",
    "gewinnt",
    "verliert",
    "überrascht",
    "plant",
    "stoppt",
    "feiert",
    "prüft",
    "zeigt",
)
OBJECTS = (
    "das Finale", "den Haushalt", "die Wahl", "ein Rekord-Jahr", "neue Regeln", "den Pokal", "die Reform", "das Derby",
    "den Zeitplan", "die Bilanz", "ein Comeback", "die Ermittlungen", "den Vertrag", "die Strecke",
)  # fmt: skip
ODD_TITLES = (
    'Interview: "Wir, und nur wir"',
    "Livestream, Teil 2",
    "Erste Zeile\nzweite Zeile",
    'Zitat: """',
    "  Zu viel Luft  ",
    "Ça va? Größe, 100 %",
    "Zeile\r\nmit Umbruch, Komma",
)

MODELS = (
    Model(("phone", "Smartphone", "mobile", "Handset"), "ios", "iOS",
          ("17.6", "18.1", "18.2"), ("Apple",), ((1170, 2532), (1290, 2796)), 0.24),
    Model(("phone", "smartphone", "Mobile", "handset"), "android", "Android",
          ("13", "14", "15"), ("Samsung", "Google", "Xiaomi"), ((1080, 2340), (1440, 3120)), 0.31),
    Model(("tablet", "iPad"), "ios", "iPadOS", ("17.6", "18.1"), ("Apple",), ((1640, 2360), (2048, 2732)), 0.07),
    Model(("Tablet",), "android", "Android", ("13", "14"), ("Samsung", "Lenovo"), ((1600, 2560),), 0.04),
    Model(("desktop", "PC", "laptop", "Web"), "web", "Windows",
          ("10", "11"), ("Dell", "HP", "Lenovo"), ((1920, 1080), (2560, 1440)), 0.14),
    Model(("laptop", "Desktop", "web"), "Web", "macOS",
          ("14.7", "15.1"), ("Apple",), ((2560, 1600), (3024, 1964)), 0.07),
    Model(("TV", "Smart TV", "smarttv", "Connected TV", "CTV"), "tizen", "Tizen",
          ("7.0", "8.0"), ("Samsung",), ((3840, 2160),), 0.06),
    Model(("ctv", "tv", "STB"), "fire_tv", "Fire OS", ("7", "8"), ("Amazon",), ((1920, 1080), (3840, 2160)), 0.04),
    Model(("console", "Game Console"), "playstation", None, ("5",), ("Sony",), ((3840, 2160),), 0.02),
    Model((None, "wearable", "fridge"), None, None, ("1",), ("Unbranded",), ((480, 480),), 0.01),
)  # fmt: skip

PLACES = (
    Place("DE", "Germany", "Berlin", "Berlin", "Europe/Berlin", 12.0),
    Place("de", "Germany", "Hamburg", "Hamburg", "Europe/Berlin", 9.0),
    Place("DE", "Germany", "Bayern", "München", "Europe/Berlin", 10.0),
    Place("DE", "Germany", "Bayern", "Nürnberg", "Europe/Berlin", 4.0),
    Place("De", "Germany", "Nordrhein-Westfalen", "Köln", "Europe/Berlin", 10.0),
    Place("DE", "Germany", "Nordrhein-Westfalen", "Düsseldorf", "Europe/Berlin", 6.0),
    Place("DE", "Germany", "Hessen", "Frankfurt am Main", "Europe/Berlin", 6.0),
    Place("DE", "Germany", "Sachsen", "Leipzig", "Europe/Berlin", 4.0),
    Place("DE", "Germany", "Niedersachsen", "Hannover", "Europe/Berlin", 4.0),
    Place("DE", "Germany", None, "unbekannt", "Europe/Berlin", 2.0),
    Place("AT", "Austria", "Wien", "Wien", "Europe/Vienna", 5.0),
    Place("at", "Austria", "Tirol", "Innsbruck", "Europe/Vienna", 1.5),
    Place("CH", "Switzerland", "Zürich", "Zürich", "Europe/Zurich", 4.0),
    Place("CH", "Switzerland", "Bern", "Bern", "Europe/Zurich", 1.5),
    Place("US", "United States", "New York", "New York", "America/New_York", 4.0),
    Place("US", "United States", "District of Columbia", "Washington, D.C.", "America/New_York", 4.0),
    Place("us", "United States", "California", "San Francisco", "America/Los_Angeles", 2.0),
    Place("BE", "Belgium", "Brussels", "Brussels", "Europe/Brussels", 3.0),
    Place("FR", "France", "Île-de-France", "Paris", "Europe/Paris", 2.0),
    Place("GB", "United Kingdom", "England", "London", "Europe/London", 2.0),
    Place("UK", "United Kingdom", "Scotland", "Edinburgh", "Europe/London", 0.5),
    Place("NL", "Netherlands", "Noord-Holland", "Amsterdam", "Europe/Amsterdam", 1.0),
    Place("PL", "Poland", "Mazowieckie", "Warszawa", "Europe/Warsaw", 1.0),
    Place("ES", "Spain", "Islas Baleares", "Palma", "Europe/Madrid", 1.0),
    Place("XX", "nowhere", None, "satellite", "Etc/UTC", 0.2),
    Place("TR", "Türkiye", "İstanbul", "İstanbul", "Europe/Istanbul", 0.8),
)

CDNS = (("akamai", 0.4), ("Cloudfront", 0.3), ("fastly", 0.2), ("cloudflare", 0.1))
EDGES = ("FRA1", "FRA2", "TXL1", "HAM1", "MUC1", "VIE1", "ZRH1", "AMS2", "CDG1", "IAD3", "SFO2", "LHR1")
PROTOCOLS = (("hls", 0.6), ("DASH", 0.25), ("https", 0.15))
CACHE_STATUSES = (("HIT", 0.78), ("hit", 0.06), ("MISS", 0.11), ("EXPIRED", 0.03), ("BYPASS", 0.02))
STATUSES = (
    (200, 0.83),
    (206, 0.12),
    (304, 0.015),
    (403, 0.008),
    (404, 0.012),
    (429, 0.003),
    (500, 0.004),
    (503, 0.006),
)
BITRATES_KBPS = ((800, 0.15), (1_800, 0.25), (3_500, 0.35), (6_000, 0.2), (16_000, 0.05))
ERROR_CODES = ("E_TIMEOUT", "E_MANIFEST", "E_DRM", "E_SEGMENT")

# Share of a day's requests in each hour, UTC: a lunch hill and an evening peak.
HOURS = (
    1.4, 0.9, 0.6, 0.5, 0.7, 1.6, 3.0, 4.3, 4.6, 4.4, 4.5, 5.4,
    5.2, 4.4, 4.2, 4.6, 5.4, 6.6, 7.8, 8.6, 8.2, 6.3, 3.9, 2.4,
)  # fmt: skip
# Zones in which sources write their times in CSV files, in minutes from UTC; 0 is written as Z.
OFFSETS_MINUTES = ((0, 0.6), (60, 0.25), (120, 0.08), (-300, 0.05), (330, 0.02))
