"""Which files begin first, and which stay together.

Workers take whole files. One that takes minutes and comes last would run alone. Files of a folder that share services
of their own go to one worker, so that they are started once.
"""

import pytest

# More than a minute each, the longest first.
_LONG = (
    "stream/test_stream.py",
    "video_files/test_pipeline.py",
    "graph/test_publishing.py",
    "graph/test_subscriptions.py",
    "video_files/test_blocked.py",
    "video_files/test_corruption.py",
    "streaming/test_sink_topics.py",
    "streaming/test_enricher.py",
    "streaming/test_sink.py",
    "stream/test_crashes.py",
    "migrations/test_running_stack.py",
    "local/test_stack.py",
    "security/test_users.py",
    "transforms/test_events.py",
    "collector/test_tracker.py",
    "collector/test_faults.py",
)
_SHARED = ("dashboard", "security")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move tests of long files to the begin; the others keep their order. Name what one worker takes."""

    def place(item: pytest.Item) -> int:
        file = f"{item.path.parent.name}/{item.path.name}"
        return _LONG.index(file) if file in _LONG else len(_LONG)

    items.sort(key=place)
    for item in items:
        folder = item.path.parent.name
        item.add_marker(
            pytest.mark.xdist_group(folder if folder in _SHARED else f"{folder}/{item.path.stem}")
        )
