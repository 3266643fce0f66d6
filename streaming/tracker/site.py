"""Serves the browser tracker, and on a laptop a demo article that uses it.

Belongs here: the served form of `tracker.js` (comments and indentation removed, compressed, cacheable) and the
demo pages. Does not belong here: what the script does (`tracker.js`), the ingest routes.
"""

import gzip
import hashlib
import html
from functools import lru_cache
from importlib import resources
from string import Template

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from media_analytics.settings import Settings

# Pages load it often and it changes rarely: an hour old is fresh enough.
_MAX_AGE_SECONDS = 3600
_ARTICLES = 4


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Add `GET /tracker.js` and, when `settings.local`, `GET /demo/{brand}/{number}` to an application."""

    @app.get("/tracker.js", include_in_schema=False)
    async def tracker(request: Request) -> Response:
        """The browser tracker."""
        plain, packed, tag = script()
        headers = {
            "etag": tag,
            "cache-control": f"public, max-age={_MAX_AGE_SECONDS}",
            "vary": "accept-encoding",
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                packed, media_type="text/javascript", headers=headers | {"content-encoding": "gzip"}
            )
        return Response(plain, media_type="text/javascript", headers=headers)

    if not settings.local:
        return

    @app.get("/demo", include_in_schema=False)
    async def demo() -> RedirectResponse:
        """The first demo article."""
        return RedirectResponse(f"/demo/{next(iter(settings.brands))}/1")

    @app.get("/demo/{brand}/{number}", include_in_schema=False)
    async def article(brand: str, number: int) -> HTMLResponse:
        """A demo article of a brand, with its tracker."""
        if brand not in settings.brands or not 1 <= number <= _ARTICLES:
            return HTMLResponse("no such article; try /demo", 404)
        return HTMLResponse(_page(settings, brand, number))


@lru_cache(maxsize=1)
def script() -> tuple[bytes, bytes, str]:
    """The served script: plain, gzipped, and its entity tag. Lines that hold a comment only are left out."""
    source = resources.files("streaming.tracker").joinpath("tracker.js").read_text("utf-8")
    lines = [line.strip() for line in source.splitlines()]
    plain = "\n".join(line for line in lines if line and not line.startswith("//")).encode()
    return plain, gzip.compress(plain, 9, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:16]}"'


def _page(settings: Settings, brand: str, number: int) -> str:
    sections = settings.brands[brand].sections
    key = next((k for k in settings.collector.keys if k.kind == "browser" and k.brand == brand), None)
    values = {
        "brand": brand,
        "name": brand.replace("_", " ").title(),
        # Without a configured one: the key that the collector knows for each brand on a laptop.
        "key": html.escape(key.key.get_secret_value() if key else f"browser-{brand}"),
        "number": str(number),
        "content_id": f"demo-{brand}-{number}",
        "section": sections[(number - 1) % len(sections)],
        "brands": "".join(
            f'<a href="/demo/{b}/1"{" aria-current=page" if b == brand else ""}>{b.replace("_", " ").title()}</a>'
            for b in settings.brands
        ),
        "more": "".join(
            f'<li><a href="/demo/{brand}/{n}" data-position="{place}">Article {n}</a></li>'
            for place, n in enumerate((n for n in range(1, _ARTICLES + 1) if n != number), 1)
        ),
        "sections": ", ".join(sections),
    }
    source = resources.files("streaming.tracker").joinpath("demo.html").read_text("utf-8")
    return Template(source).substitute(values)
