"""Names the moments between two effects, so a test can stop a process exactly there.

Belongs here: the hook type and the one that does nothing. Does not belong here: any other use; production runs
`nothing`.
"""

from collections.abc import Callable

# Called with the name of the effect that has just happened.
Hook = Callable[[str], None]


def nothing(effect: str) -> None:
    """The hook of production."""
