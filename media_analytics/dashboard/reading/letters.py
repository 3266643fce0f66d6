"""Dead letters, by the library that the command line uses (`media_analytics/dead_letters`).

Belongs here: its answers as the API's types, groups kept until a table changes, the bound of what a page may ask for.
Does not belong here: groups, masks, patches.
"""

from datetime import UTC, datetime, timedelta

from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.dashboard.answers import LetterGroup, Repair, ReplayNow, ReplayStarted, Tried
from media_analytics.dashboard.reading.kept import Kept, KeptByName
from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.library import DeadLetters
from media_analytics.dead_letters.views import LetterView
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.dagster_api import ENDED, DagsterApi
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings
from streaming.dead_letters.patches import Patch, read

KEPT_SECONDS = 0.8
# Letters are kept in the topic for 30 days.
MOST_DAYS = 30
# A trial decrypts and judges every letter: more than this belongs on the command line.
MOST_TRIED = 20_000
REQUESTED_BY = "dashboard"
# New letters, and replays, which recover some.
_TABLES = (table("bronze.dead_letters"), table("ops.dead_letter_replays"))
Versions = tuple[int, ...]


class TooManyError(MediaAnalyticsError):
    """A trial that would hold up the dashboard."""


class Letters:
    """Groups and letters of the last days; trials and replays of a group."""

    def __init__(self, settings: Settings, log: DeltaLog) -> None:
        """Read nothing yet."""
        self._log = log
        self._library = DeadLetters(settings)
        self._dagster = DagsterApi(settings)
        self._versions = Kept(self._ask_versions, KEPT_SECONDS)
        self._groups: dict[int, tuple[Versions, datetime, list[LetterGroup]]] = {}
        self._letters = KeptByName(self._ask_letters, KEPT_SECONDS)

    def groups(self, days: int) -> list[LetterGroup]:
        """Groups of the letters that arrived in the last days, those with most letters left first.

        Raises:
            MediaAnalyticsError: there are more letters than can be counted at once.
        """
        versions, now = self._versions.get(), datetime.now(UTC)
        known = self._groups.get(days)
        # Without new letters only the begin of the time moves.
        if known is None or known[0] != versions or now - known[1] > timedelta(minutes=1):
            found = self._ask_groups(Selection(now - timedelta(days=days))) if min(versions) >= 0 else []
            known = self._groups[days] = (versions, now, found)
        return known[2]

    def of_group(self, code: str, days: int, most: int) -> list[LetterView]:
        """The newest letters of a group, the newest first."""
        return self._letters.get(f"{code} {days} {most}") if min(self._versions.get()) >= 0 else []

    def tried(self, code: str, repair: Repair) -> Tried:
        """What a replay of a group would do. Sends nothing.

        Raises:
            PatchError: the patch breaks its contract.
            TooManyError: the group is too large to be judged here.
        """
        selection, patch = self._meant(code, repair)
        count = sum(group.letters for group in self._ask_groups(selection))
        if count > MOST_TRIED:
            raise TooManyError(
                f"the group has {count:,} letters; here at most {MOST_TRIED:,} are tried: "
                f"`media-analytics dead-letters replay --group {code} --dry-run`"
            )
        return Tried.model_validate(self._library.dry_run(selection, patch))

    def start(self, code: str, repair: Repair) -> ReplayStarted:
        """Launch the replay of a group.

        Raises:
            PatchError: the patch breaks its contract.
            ServiceError: Dagster does not answer or refuses.
        """
        return ReplayStarted(
            run_id=self._library.start_replay(*self._meant(code, repair), requested_by=REQUESTED_BY)
        )

    def replay(self, run_id: str) -> ReplayNow:
        """How a replay stands.

        Raises:
            ServiceError: Dagster does not answer, or knows no such run.
        """
        status = self._dagster.run(run_id).status
        return ReplayNow(run_id=run_id, status=status, is_ended=status in ENDED)

    @staticmethod
    def _meant(code: str, repair: Repair) -> tuple[Selection, Patch]:
        since = datetime.now(UTC) - timedelta(days=repair.days)
        return Selection(since, group=code), read(repair.patch)

    def _ask_groups(self, selection: Selection) -> list[LetterGroup]:
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
            for g in self._library.groups(selection)
        ]

    def _ask_letters(self, wanted: str) -> list[LetterView]:
        code, days, most = wanted.split(" ")
        selection = Selection(datetime.now(UTC) - timedelta(days=int(days)), group=code)
        return self._library.letters(selection, int(most))

    def _ask_versions(self) -> Versions:
        """The newest version of each table; -1 where there is none."""
        return tuple(self._version(number) for number in range(len(_TABLES)))

    def _version(self, number: int) -> int:
        try:
            return self._log.version(_TABLES[number])
        except TableNotFoundError:
            return -1
