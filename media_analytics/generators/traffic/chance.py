"""Chance in SQL: the same seed, name and row give the same number, in whichever order rows are made.

Belongs here: expressions that draw. Does not belong here: what is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# A power of two, so that a draw is an exact fraction.
_STEPS = 2**40


@dataclass(frozen=True)
class Chance:
    """Draws of one seed."""

    seed: int

    def hash(self, name: str, *of: str) -> str:
        """64 bits; `of` are the columns that identify the row."""
        return f"cityHash64({self.seed}, '{name}', {', '.join(of)})"

    def share(self, name: str, *of: str) -> str:
        """A number from 0 up to, but not including, 1."""
        return f"(({self.hash(name, *of)} % {_STEPS}) / {_STEPS})"

    def whole(self, most: int, name: str, *of: str) -> str:
        """A whole number from 0 up to, but not including, `most`."""
        return f"toInt64({self.hash(name, *of)} % {most})"

    def one_of(self, values: Sequence[tuple[str, int]], name: str, *of: str) -> str:
        """One of two or more SQL values, each as often as its weight says."""
        drawn = self.whole(sum(weight for _, weight in values), name, *of)
        below, branches = 0, []
        for value, weight in values[:-1]:
            below += weight
            branches.append(f"{drawn} < {below}, {value}")
        return f"multiIf({', '.join(branches)}, {values[-1][0]})"

    def uuid(self, *of: str) -> str:
        """A text of a UUID's form."""
        digits = f"lower(hex(sipHash128({self.seed}, {', '.join(of)})))"
        parts = ("1, 8", "9, 4", "14, 3", "18, 3", "21, 12")
        texts = [f"substring({digits}, {part})" for part in parts]
        texts[2], texts[3] = f"concat('4', {texts[2]})", f"concat('a', {texts[3]})"
        joined = ", '-', ".join(texts)
        return f"concat({joined})"


def listed(values: Sequence[str]) -> str:
    """An array of texts."""
    return "[" + ", ".join(f"'{value}'" for value in values) + "]"
