"""What each measure of the warehouse means, from the dbt project.

Belongs here: reading the sentences of `dbt_project/models/measures.md` and which columns carry them, the reference page
made of both. Does not belong here: how a measure is computed (the models), tables of the lake (`docs.py`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2] / "dbt_project"
MEASURES_PAGE = "docs/reference/measures.md"
_SENTENCE = re.compile(r"{% docs (\w+) %}(.*?){% enddocs %}", re.DOTALL)
_REFERENCE = re.compile(r"{{ doc\('(\w+)'\) }}")


def measure_files() -> dict[str, str]:
    """The generated page by path in the repository."""
    return {MEASURES_PAGE: measures_page(sentences(), columns())}


def sentences() -> Mapping[str, str]:
    """What each name means, in the order of the file."""
    text = (PROJECT / "models" / "measures.md").read_text("utf-8")
    return {name: " ".join(said.split()) for name, said in _SENTENCE.findall(text)}


def columns() -> Mapping[str, Mapping[str, list[str]]]:
    """Model -> column -> the names its description is made of."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in sorted(PROJECT.glob("models/**/_models.yml")):
        models: list[dict[str, Any]] = yaml.safe_load(file.read_text("utf-8"))["models"]
        for model in models:
            found[model["name"]] = {
                column["name"]: _REFERENCE.findall(column["description"]) for column in model["columns"]
            }
    return found


def measures_page(said: Mapping[str, str], used: Mapping[str, Mapping[str, list[str]]]) -> str:
    """Each sentence once, and the columns that carry it; a column ending in `_human` counts people only."""
    lines = [
        "# Measures",
        "",
        "Generated from `dbt_project/models/measures.md` by `media-analytics contracts docs`; do not edit.",
        "",
        f"A column whose name ends in `_human` is its twin over people only. {said['human']}",
        "",
        "| measure | means | columns |",
        "|---|---|---|",
    ]
    for name, sentence in said.items():
        places = [
            f"`{model}.{column}`"
            for model, its_columns in used.items()
            for column, names in its_columns.items()
            if names[:1] == [name] and not column.endswith("_human")
        ]
        if places:
            lines.append(f"| {name} | {sentence} | {', '.join(places)} |")
    return "\n".join(lines) + "\n"
