"""Events of the families without an enricher in SQL: interactions, session and security events.

Belongs here: rows of their live tables. Does not belong here: events of readers (`events.py`).
"""

from media_analytics.generators.traffic.chance import Chance
from media_analytics.generators.traffic.events import TOPIC
from media_analytics.generators.traffic.options import Options

# Events of a family for each event of readers.
SHARES = {"interactions": 0.1, "session_events": 0.05, "security_events": 0.005}
_DAY = 86_400_000_000


def insert(options: Options, family: str) -> str:
    """All events of a live table, over the same dates as those of readers."""
    chance = Chance(options.seed)
    columns = _envelope(options, chance, family) | _FIELDS[family](chance)
    brands = ", ".join(f"'{brand}'" for brand in options.brands)
    count = max(1, round(options.events * SHARES[family]))
    at = f"{options.first_microsecond} + {_DAY} * {chance.whole(options.days + 1, family, 'number')}"
    return f"""INSERT INTO realtime.{family} ({", ".join(columns)})
SELECT {", ".join(f"{value} AS {name}" for name, value in columns.items())}
FROM (SELECT number, {at} + {chance.whole(_DAY, f"{family} moment", "number")} AS at,
  [{brands}][1 + {chance.whole(len(options.brands), f"{family} brand", "number")}] AS own_brand FROM numbers({count}))
WHERE at < {options.until_microsecond}"""


def _envelope(options: Options, chance: Chance, family: str) -> dict[str, str]:
    late = chance.whole(800_000, f"{family} late", "number")
    return {
        "event_id": chance.uuid(f"'{family}'", "number"),
        "brand": "own_brand",
        "occurred_at": "fromUnixTimestamp64Micro(at, 'UTC')",
        "received_at": f"fromUnixTimestamp64Micro(at + 40000 + {late}, 'UTC')",
        "origin": "'live'",
        "customer_id": f"concat('g', toString({chance.whole(max(1, options.events // 50), 'customer', 'number')}))",
        "source_topic": f"'{TOPIC}'",
        "source_partition": "toInt32(number % 3)",
        "source_offset": "toInt64(number)",
        "appended_at": "addMicroseconds(received_at, 5000)",
        "inserted_at": f"addMicroseconds(received_at, 200000 + {late})",
    }


def _interactions(chance: Chance) -> dict[str, str]:
    kinds = (("'play'", 4), ("'search'", 3), ("'login'", 2), ("'comment'", 1))
    return {
        "event_type": chance.one_of(kinds, "interaction", "number"),
        "status": f"if({chance.share('fails', 'number')} < 0.03, 'error', 'success')",
        "error_code": "if(status = 'error', 'timeout', NULL)",
        "latency_ms": f"toInt64(20 - 80 * log(1 - {chance.share('latency', 'number')}))",
    }


def _session_events(chance: Chance) -> dict[str, str]:
    kinds = (("'heartbeat'", 7), ("'login'", 2), ("'logout'", 1))
    return {
        "event_type": chance.one_of(kinds, "session", "number"),
        "visitor_id": "concat('c:', customer_id)",
        "session_ref": "concat('s', toString(number))",
        "tier": chance.one_of((("'free'", 6), ("'basic'", 3), ("'premium'", 1)), "session tier", "number"),
    }


def _security_events(chance: Chance) -> dict[str, str]:
    kinds = (("'login_failed'", 6), ("'rate_limited'", 3), ("'bot_challenge'", 1))
    return {
        "event_type": chance.one_of(kinds, "security", "number"),
        "visitor_id": "concat('c:', customer_id)",
        "severity": f"toInt32(1 + {chance.whole(3, 'severity', 'number')})",
        "rule": "'simulated'",
    }


_FIELDS = {
    "interactions": _interactions,
    "session_events": _session_events,
    "security_events": _security_events,
}
