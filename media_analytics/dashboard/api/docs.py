"""The API's description as a page.

Belongs here: `/docs`, made of the OpenAPI document. FastAPI's own page loads its program from another host, which a
private page must not. Does not belong here: what the API is.
"""

import html
from collections.abc import Iterator, Mapping
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}"
    "h2{margin-top:2rem;font-size:1.1rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd}"
)


def page(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    routes = "".join(
        _route(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    answers = "".join(
        _answer(name, schema) for name, schema in sorted(document["components"]["schemas"].items())
    )
    title = html.escape(info["title"])
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{html.escape(info['description'])}</p><p><a href='/openapi.json'>openapi.json</a></p>"
        f"{routes}<h1>Types</h1>{answers}</body></html>"
    )


def _route(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = [
        (p["name"], _type(p["schema"]), p.get("description", "")) for p in operation.get("parameters", [])
    ]
    if "requestBody" in operation:
        rows.append(("body", _type(operation["requestBody"]["content"]["application/json"]["schema"]), ""))
    for status, answer in operation["responses"].items():
        kinds = answer.get("content") or {"application/json": {}}
        rows += [
            (f"answer {status}", _type(of.get("schema", {})), "" if kind == "application/json" else kind)
            for kind, of in kinds.items()
        ]
    text = html.escape(operation.get("description") or operation.get("summary", ""))
    return f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{text}</p>{_table(rows)}"


def _answer(name: str, schema: Mapping[str, Any]) -> str:
    rows = [
        (field, _type(kind), kind.get("description", ""))
        for field, kind in schema.get("properties", {}).items()
    ]
    return (
        f"<h2 id='{html.escape(name)}'>{html.escape(name)}</h2>"
        f"<p>{html.escape(schema.get('description', ''))}</p>{_table(rows)}"
    )


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td><td>{kind}</td><td>{html.escape(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table>{cells}</table>" if rows else ""


def _type(schema: Mapping[str, Any]) -> str:
    """A type in a few words, as HTML; one of ours links to its section."""
    return " or ".join(_names(schema)) or "anything"


def _names(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rpartition("/")[2])
        yield f"<a href='#{name}'>{name}</a>"
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _names(one)
    elif "enum" in schema:
        yield ", ".join(html.escape(str(value)) for value in schema["enum"])
    elif schema.get("type") == "array":
        yield f"list of {_type(schema.get('items', {}))}"
    elif "type" in schema:
        yield html.escape(f"{schema['type']} {schema.get('format', '')}".strip())
