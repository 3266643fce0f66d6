"""Docs name only what exists."""

import re
from pathlib import Path

from media_analytics_tests.conventions.source import ROOT

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_TARGET = re.compile(r"`make ([a-z-]+)")
_SKIPPED = {".venv", ".venv-lint", ".media-analytics", ".git", "node_modules"}


def _pages() -> list[Path]:
    return [p for p in ROOT.rglob("*.md") if not _SKIPPED & set(p.relative_to(ROOT).parts)]


def test_links_inside_the_repository_lead_somewhere() -> None:
    pages = _pages()
    assert len(pages) >= 5
    broken = []
    for page in pages:
        for link in _LINK.findall(page.read_text("utf-8")):
            if link.startswith(("http://", "https://", "mailto:", "#")):
                continue
            if not (page.parent / link.split("#")[0]).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {link}")
    assert broken == []


def test_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {(p.name, t) for p in _pages() for t in _TARGET.findall(p.read_text("utf-8"))}
    assert {(page, t) for page, t in named if t not in targets} == set()


def test_changelog_has_an_unreleased_section() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")
