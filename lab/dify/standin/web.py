"""The web container: a page that says what it is, and a plain chat over the web API.

The page is 200 for every code, as the real one is: whether a code is known shows only in the passport.
"""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response

from .call import Call, Handler, route

PAGES = Path(__file__).parent / "pages"


def app() -> Starlette:
    """The web application."""
    return Starlette(
        routes=[
            route("GET", "/chat/{code}", _page("chat.html")),
            route("GET", "/chatbot/{code}", _page("chat.html")),
            route("GET", "/", _page("index.html")),
        ],
        exception_handlers={404: lambda *_: HTMLResponse((PAGES / "missing.html").read_text(), 404)},
    )


def _page(name: str) -> Handler:
    text = (PAGES / name).read_text()

    def answer(_: Call) -> Response:
        return HTMLResponse(text)

    return answer
