"""Which files begin first.

Workers take whole files. One that takes minutes and comes last would run alone.
"""

import pytest

# A minute and more each, about the longest first.
_LONG = (
    "stream/test_stream.py",
    "graph/test_publishing.py",
    "streaming/test_enricher.py",
    "streaming/test_sink.py",
    "video_files/test_pipeline.py",
    "local/test_stack.py",
    "migrations/test_running_stack.py",
    "warehouse/test_models.py",
    "dead_letters/test_replay.py",
    "streaming/test_sink_topics.py",
    "security/test_users.py",
    "graph/test_subscriptions.py",
    "collector/test_faults.py",
    "collector/test_tracker.py",
    "video_files/test_blocked.py",
    "video_files/test_corruption.py",
    "security/test_modes.py",
    "dashboard/test_pages.py",
    "micro_batches/test_runs.py",
    "transforms/test_events.py",
    "video_files/test_reference.py",
    "streaming/test_trace.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move tests of long files to the begin; the others keep their order."""

    def place(item: pytest.Item) -> int:
        file = f"{item.path.parent.name}/{item.path.name}"
        return _LONG.index(file) if file in _LONG else len(_LONG)

    items.sort(key=place)
