"""Dead letters, by the library that the command line uses (`media_analytics/dead_letters`).

Belongs here: its answers as the API's types, kept for a moment. Does not belong here: groups and masks.
"""

from datetime import UTC, datetime, timedelta
from functools import cached_property

from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.dashboard.answers import Letter, LetterGroup
from media_analytics.dashboard.reading.kept import Kept, KeptByName
from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.shelf import Shelf
from media_analytics.dead_letters.views import Views
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings

KEPT_SECONDS = 0.8
# Letters are kept in the topic for 30 days.
MOST_DAYS = 30
_CONTRACT = table("bronze.dead_letters")


class Letters:
    """Groups and letters of the last days. The table is read again when it has a new version."""

    def __init__(self, settings: Settings, log: DeltaLog) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._log = log
        self._version = Kept(self._ask_version, KEPT_SECONDS)
        self._groups: dict[int, tuple[int, datetime, list[LetterGroup]]] = {}
        self._letters = KeptByName(self._ask_letters, KEPT_SECONDS)

    def groups(self, days: int) -> list[LetterGroup]:
        """Groups of the letters that arrived in the last days, those with most letters left first.

        Raises:
            MediaAnalyticsError: there are more letters than can be counted at once.
        """
        version, now = self._version.get(), datetime.now(UTC)
        known = self._groups.get(days)
        # Without new letters only the begin of the time moves.
        if known is None or known[0] != version or now - known[1] > timedelta(minutes=1):
            known = self._groups[days] = (version, now, self._ask_groups(days, now) if version >= 0 else [])
        return known[2]

    def of_group(self, code: str, days: int, most: int) -> list[Letter]:
        """The newest letters of a group, the newest first."""
        return self._letters.get(f"{code} {days} {most}") if self._version.get() >= 0 else []

    def _ask_groups(self, days: int, now: datetime) -> list[LetterGroup]:
        found = Shelf(self._settings).groups(Selection(now - timedelta(days=days)))
        return [
            LetterGroup(
                group=g.fingerprint.code,
                family=g.fingerprint.family,
                rule=g.fingerprint.rule,
                field=g.fingerprint.field,
                producer=g.fingerprint.producer,
                letters=g.letters,
                recovered=g.recovered,
                first_seen_at=g.first_seen_at,
                last_seen_at=g.last_seen_at,
            )
            for g in found
        ]

    def _ask_letters(self, wanted: str) -> list[Letter]:
        code, days, most = wanted.split(" ")
        selection = Selection(datetime.now(UTC) - timedelta(days=int(days)), group=code)
        rows = Shelf(self._settings).letters(selection, int(most))
        return [Letter(**vars(self._views.view(row))) for row in rows][::-1]

    @cached_property
    def _views(self) -> Views:
        return Views(self._settings)

    def _ask_version(self) -> int:
        """The newest version of the table; -1 when there is none."""
        try:
            return self._log.version(_CONTRACT)
        except TableNotFoundError:
            return -1
