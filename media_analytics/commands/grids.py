"""How rows of any shape are shown in a terminal.

Belongs here: a value as the text of a cell, the console of wide tables. Does not belong here: which rows.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Columns of a table that goes to a file or a pipe.
WIDTH = 160


def cell(value: Any) -> str:
    """The text of a value: instants to the second, four digits of fractions, parts of a structure in a row."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict) or hasattr(value, "asDict"):
        fields = value if isinstance(value, dict) else value.asDict()
        return " to ".join(cell(part) for part in fields.values())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def wide_console() -> "Console":
    """A console that shows texts as they are."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console
