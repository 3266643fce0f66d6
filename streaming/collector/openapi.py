"""The OpenAPI document of a collector, and a page for people made from it.

Belongs here: how routes and item schemas are described. Does not belong here: which routes there are (`server.py`).
Fields and their texts come from the topics' schemas, so a field added to a contract is described without a change here.
"""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from streaming.codecs.generate import Schema
from streaming.collector.items import OURS, avro_kind, is_instant, required_fields
from streaming.collector.request import Route

_TYPES: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "array": {"type": "array", "items": {"type": "string"}},
    "map": {"type": "object", "additionalProperties": {"type": "string"}},
}
_STATUSES = {
    "200": "At least one item was accepted: it is stored and replicated.",
    "400": "Not the expected shape.",
    "401": "No key, an unknown one, or one that may not do this from here.",
    "413": "Too much at once.",
    "415": "Another type or encoding.",
    "422": "Every item breaks a rule.",
    "429": "A browser key sent too much; try again after Retry-After seconds.",
    "503": "Nothing can be kept now; try again after Retry-After seconds.",
    "507": "The disk is nearly full; try again after Retry-After seconds.",
}
_CLICK = {
    "type": "object",
    "required": ["id", "type", "package_id", "event"],
    "properties": {
        "id": {"type": ["string", "integer"]},
        "type": {"enum": ["click", "view", "purchase"]},
        "package_id": {"type": ["string", "integer"]},
        "brand": {"type": "string"},
        "event": {
            "type": "object",
            "required": ["timestamp"],
            "properties": {
                "timestamp": {
                    "type": ["string", "number"],
                    "description": "ISO 8601 with a zone, or epoch seconds.",
                },
                **{
                    n: {"type": "string"}
                    for n in ("user_agent", "ip", "customer_id", "page", "query", "product")
                },
                "referrer": {"type": "string"},
                "position": {"type": "integer"},
            },
        },
    },
}
_LOG = {
    "type": "object",
    "required": ["site", "source", "lines"],
    "properties": {
        "brand": {"type": "string"},
        "site": {"type": "string", "description": "Scheme and host that every target is added to."},
        "source": {"type": "string", "description": "Name of the file."},
        "lines": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["line_number", "occurrence", "line"],
                "properties": {
                    "line_number": {"type": "integer", "minimum": 1},
                    "occurrence": {
                        "type": "integer",
                        "description": "How often the identical line stood before it.",
                    },
                    "line": {"type": "string"},
                },
            },
        },
    },
}
_ANSWER = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {"type": "integer"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": ["integer", "null"], "description": "Null: the whole request."},
                    "event_id": {"type": ["string", "null"]},
                    "status": {"enum": ["accepted", "rejected"]},
                    **{n: {"type": ["string", "null"]} for n in ("code", "field", "message")},
                },
            },
        },
    },
}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}, {"browser": []}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "browser": {"type": "apiKey", "in": "query", "name": "key", "description": "Browser keys only."},
}


def document(
    base: Mapping[str, Any], routes: Iterable[Route], schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    """The document: `base` (title, health routes) with every ingest route. `schemas` by family."""
    paths: dict[str, Any] = dict(base.get("paths", {}))
    parts: dict[str, Any] = dict(base.get("components", {}).get("schemas", {})) | {
        "Answer": _ANSWER,
        "Click": _CLICK,
        "AccessLog": _LOG,
    }
    for family, schema in schemas.items():
        parts[_item_name(family)] = _item(schema)
    for route in routes:
        paths[route.path] = {route.method.lower(): _operation(route, schemas[route.family])}
    return {
        **base,
        "paths": paths,
        "components": {"schemas": parts, "securitySchemes": _SCHEMES},
    }


def page(document: Mapping[str, Any]) -> str:
    """The document for people: one page without scripts that loads nothing."""
    info = document["info"]
    sections = [
        f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation.get('summary') or '')}</p>"
        f"<p>{html.escape(operation.get('description') or '')}</p>{_statuses(operation)}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        f"<h2 id='{html.escape(name)}'>{html.escape(name)}</h2>{_fields(part)}"
        for name, part in document["components"]["schemas"].items()
        if "properties" in part
    ]
    description = "".join(f"<p>{html.escape(text)}</p>" for text in str(info["description"]).split("\n\n"))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(info['title'])}</h1>{description}<p><a href='/openapi.json'>openapi.json</a></p>"
        f"{''.join(sections)}{''.join(parts)}</body></html>"
    )


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}"
    "td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "code{background:#f2f2f2;padding:.1rem .3rem}"
)


def _item_name(family: str) -> str:
    return f"{family.title()}Event"


def _item(schema: Schema) -> dict[str, Any]:
    fields = [f for f in schema["fields"] if f["name"] not in OURS]
    return {
        "type": "object",
        "description": schema.get("doc", ""),
        "additionalProperties": False,
        "required": required_fields(schema),
        "properties": {f["name"]: _field(f) for f in fields},
    }


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(_TYPES[avro_kind(field["type"])])
    if is_instant(field["type"]):
        found = {"type": "string", "format": "date-time"}
    return found | {"description": field.get("doc", "")}


def _operation(route: Route, schema: Schema) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": {
            "events": f"Send events of the {route.family} family.",
            "clickstream": "Send clicks, views and purchases of an application.",
            "access-log": "Import lines of Apache's combined log format; server keys only.",
            "pixel": "Send one event as the address of an image; fields are those of the user family.",
        }[route.kind],
        "operationId": route.path.strip("/").replace("/", "_").replace("-", "_"),
        "security": _SECURITY,
        "responses": {
            code: {"description": text, "content": _answer_content(route)} for code, text in _STATUSES.items()
        },
    }
    brand = {"name": "brand", "in": "query", "schema": {"type": "string"}}
    if route.kind == "pixel":
        fields = [f for f in schema["fields"] if f["name"] not in OURS | {"properties", "brand"}]
        query = [{"name": f["name"], "in": "query", "schema": _field(f)} for f in fields]
        return operation | {"parameters": [brand, *query]}
    part = {"clickstream": "Click", "access-log": "AccessLog"}.get(route.kind, _item_name(route.family))
    one = {"$ref": f"#/components/schemas/{part}"}
    many = {"type": "array", "items": one, "maxItems": 1000}
    body = one if route.kind == "access-log" else {"oneOf": [one, many]}
    return operation | {
        "parameters": [brand],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
    }


def _answer_content(route: Route) -> dict[str, Any]:
    if route.kind == "pixel":
        return {"image/gif": {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}


def _statuses(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(code)}</td><td>{html.escape(answer['description'])}</td></tr>"
        for code, answer in operation.get("responses", {}).items()
    )
    return f"<table><tr><th>status</th><th>meaning</th></tr>{rows}</table>"


def _fields(part: Mapping[str, Any]) -> str:
    required = set(part.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(str(kind.get('type', 'one of a list')))}</td>"
        f"<td>{'required' if name in required else ''}</td><td>{html.escape(kind.get('description', ''))}</td></tr>"
        for name, kind in part["properties"].items()
    )
    return f"<table><tr><th>field</th><th>type</th><th></th><th>meaning</th></tr>{rows}</table>"
