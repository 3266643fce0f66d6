"""Articles in SQL: what may be read at an instant, and the catalogue.

Belongs here: which page is opened, `warehouse.content`. Does not belong here: who opens it (`events.py`).

A brand publishes 40 articles a day, each with the date and its place in the id; readers prefer new ones and the first
ones of a day.
"""

from media_analytics.generators.traffic.chance import Chance, listed
from media_analytics.generators.traffic.options import Options

ARTICLES_A_DAY = 40
# How many days back somebody may read.
OLDEST_DAYS = 30
_DAY = 86_400_000_000
_AUTHORS = ("Ada Beispiel", "Grace Muster", "Émilie Exemple", "Jan Wzór", "Kim Sample", "Lee Ejemplo")


def page_columns(options: Options) -> str:
    """Columns of the page that is opened at `opened` (microseconds): page_key, content_id, title, section."""
    chance = Chance(options.seed)
    kind = chance.share("kind", "visit", "page")
    age = f"toInt64(least({OLDEST_DAYS - 1}, floor(-2.5 * log(1 - {chance.share('age', 'visit', 'page')}))))"
    place = f"toInt64(floor({ARTICLES_A_DAY} * pow({chance.share('place', 'visit', 'page')}, 2.5)))"
    section_page = f"sections[1 + {chance.hash('section page', 'visit', 'page')} % length(sections)]"
    return f"""{_sections(options)} AS sections,
  {kind} AS kind,
  {place} AS place_of_day,
  intDiv(opened, {_DAY}) - {age} AS wanted_day,
  if({_published(chance, "wanted_day", "place_of_day")} > opened, wanted_day - 1, wanted_day) AS day_published,
  multiIf(kind < 0.12, 'home', kind < 0.2, {section_page}, '') AS list_page,
  if(list_page = '', {_id("day_published", "place_of_day")}, NULL) AS content_id,
  multiIf(list_page = 'home', '/', list_page != '', concat('/', list_page), assumeNotNull(content_id)) AS page_key,
  if(list_page = '', concat('Headline of ', assumeNotNull(content_id)), concat('All of ', list_page)) AS title,
  multiIf(list_page = 'home', NULL, list_page != '', list_page, {_section(chance, "day_published", "place_of_day")})
    AS section"""


def insert_content(options: Options) -> str:
    """The catalogue: every article that can be opened, a third of them with a second revision two hours later."""
    chance = Chance(options.seed)
    days = options.days + OLDEST_DAYS + 2
    first_day = options.first_microsecond // _DAY - OLDEST_DAYS - 1
    brands = list(options.brands)
    of = ("brand", "day", "place")
    authors = listed(_AUTHORS)
    return f"""INSERT INTO warehouse.content (valid_from, valid_to, loaded_at, brand, content_id, event_id, event_type,
  revision, title, section, authors, word_count, is_premium, published_at, is_published)
SELECT fromUnixTimestamp64Micro(published + revision * 7200000000, 'UTC') AS valid_from,
  if(revision + 1 < revisions, toNullable(addHours(valid_from, 2)), NULL) AS valid_to, now64(6, 'UTC') AS loaded_at,
  brand, {_id("day", "place")} AS content_id, {chance.uuid("'content'", *of, "revision")} AS event_id,
  if(revision = 0, 'published', 'updated') AS event_type, toInt32(revision) AS revision,
  concat('Headline of ', content_id) AS title, {_section(chance, "day", "place")} AS section,
  arraySlice({authors}, 1 + {chance.whole(len(_AUTHORS), "author", *of)}, 1 + {chance.whole(2, "two", *of)}) AS authors,
  toInt32(200 + {chance.whole(1200, "words", *of)}) AS word_count, {chance.share("premium", *of)} < 0.2 AS is_premium,
  fromUnixTimestamp64Micro(published, 'UTC') AS published_at, true AS is_published
FROM (SELECT *, arrayJoin(range(revisions)) AS revision FROM (
  SELECT {listed(brands)}[1 + number % {len(brands)}] AS brand,
    toInt64(intDiv(number, {len(brands)}) % {ARTICLES_A_DAY}) AS place,
    toInt64({first_day} + intDiv(number, {len(brands) * ARTICLES_A_DAY})) AS day,
    {_sections(options)} AS sections,
    {_published(chance, "day", "place")} AS published,
    1 + ({chance.share("revised", *of)} < 0.33) AS revisions
  FROM numbers({days * len(brands) * ARTICLES_A_DAY})
  WHERE published < {options.until_microsecond}))
WHERE published + revision * 7200000000 < {options.until_microsecond}"""


def _sections(options: Options) -> str:
    """The sections of the row's brand."""
    known = ", ".join(f"'{brand}', {listed(sections)}" for brand, (_, sections) in options.brands.items())
    return f"map({known})[brand]"


def _section(chance: Chance, day: str, place: str) -> str:
    return f"sections[1 + {chance.hash('section', 'brand', day, place)} % length(sections)]"


def _published(chance: Chance, day: str, place: str) -> str:
    """When the article of a day (days since 1970) and place is published, in microseconds since 1970."""
    return f"({_DAY} * {day} + toInt64({_DAY} * {chance.share('published', 'brand', day, place)}))"


def _id(day: str, place: str) -> str:
    return f"concat(brand, '-', toString(toDate32({day})), '-', toString({place}))"
