"""Reads the project's own source: files, imports, suppressions. Shared by the conventions tests."""

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("media_analytics", "streaming", "spark_jobs")
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|nosec|pragma:\s*no cover|fmt:\s*(off|skip))")


def modules(*folders: str) -> list[Path]:
    """Python files below the folders, relative to the repository, sorted."""
    return sorted(
        path.relative_to(ROOT)
        for folder in folders or PACKAGES
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def dotted(path: Path) -> str:
    """Module name of a file: `a/b/__init__.py` -> `a.b`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree(path: Path) -> ast.Module:
    """Syntax tree of a file of the repository."""
    return ast.parse((ROOT / path).read_text("utf-8"))


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Dotted names a module imports. With `top_level_only` those that importing the module loads."""
    found: set[str] = set()
    nodes = _loaded(tree(path)) if top_level_only else list(ast.walk(tree(path)))
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def _loaded(module: ast.Module) -> list[ast.AST]:
    """Nodes that run at import: everything but function bodies and `if TYPE_CHECKING` blocks."""
    result: list[ast.AST] = []
    pending: list[ast.AST] = list(module.body)
    while pending:
        node = pending.pop()
        result.append(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))
    return result
