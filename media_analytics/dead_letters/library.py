"""Everything the command line and the dashboard do with dead letters.

Belongs here: one method a button. Does not belong here: how it is done, how it is shown. Nothing here says anything
about a person: groups are counts, letters are shapes, failures are rules.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from media_analytics.dead_letters.groups import Group, Selection
from media_analytics.dead_letters.ledger import Ledger
from media_analytics.dead_letters.shelf import Shelf
from media_analytics.dead_letters.views import LetterView, Views
from media_analytics.resources.dagster_api import PARTITION, DagsterApi, Run
from media_analytics.settings import Settings
from streaming.dead_letters.patches import Patch

JOB = "dead_letter_replays"
OP = "ops__dead_letter_replays"


class DeadLetters:
    """The dead letters of one installation."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; connect with the first question."""
        self._settings = settings

    def groups(self, selection: Selection) -> list[Group]:
        """Groups of the selected letters, most letters left first.

        Raises:
            MediaAnalyticsError: the time holds more letters than can be counted at once.
        """
        return Shelf(self._settings).groups(selection)

    def letters(self, selection: Selection, most: int) -> list[LetterView]:
        """The newest `most` of the selected letters, newest first.

        Raises:
            MediaAnalyticsError: as above, or a letter was encrypted with another key.
        """
        views = Views(self._settings)
        found = [views.view(letter) for letter in Shelf(self._settings).letters(selection, most)]
        return sorted(found, key=lambda view: view.received_at, reverse=True)

    def dry_run(self, selection: Selection, patch: Patch) -> dict[str, Any]:
        """What a replay would do, judged by the rules of now: counts, and failures by rule and field. Sends nothing.

        Raises:
            MediaAnalyticsError: as above, or the registry does not answer.
        """
        # The rules load slowly; looking at letters does not need them.
        from media_analytics.dead_letters.replay import tried

        return tried(self._settings, selection, patch).facts()

    def start_replay(self, selection: Selection, patch: Patch, requested_by: str) -> str:
        """Launch the replay as a Dagster run; its id.

        Raises:
            ServiceError: Dagster does not answer or refuses.
        """
        config = {"ops": {OP: {"config": replay_config(selection, patch, requested_by)}}}
        tags = {PARTITION: datetime.now(UTC).date().isoformat()}
        return DagsterApi(self._settings).launch(JOB, tags, config)

    def follow(self, run_id: str, timeout_seconds: float, progress: Callable[[Run], None]) -> int:
        """Wait for a replay that was started; how many letters it recovered.

        Raises:
            ServiceError: the run failed, with its reason, or took too long. Started again, it goes on.
        """
        run = DagsterApi(self._settings).wait(run_id, timeout_seconds, progress)
        return Ledger(self._settings).letters_of(run_id, datetime.fromtimestamp(run.created, UTC))


def replay_config(selection: Selection, patch: Patch, requested_by: str) -> Mapping[str, Any]:
    """A replay as the asset's run config."""
    named = ("family", "rule", "field", "producer", "group")
    return {
        "since": selection.since.isoformat(),
        **{name: value for name in named if (value := getattr(selection, name)) is not None},
        "letters": sorted(selection.letters),
        "patch": patch.text(),
        "requested_by": requested_by,
    }
