"""HTTP routes of the page: its one document for every client route, and its files."""

import functools
import secrets
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi import Path as PathParameter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from finery.http.permission import AllowEveryone

DIST = Path(__file__).parent / "dist"
INDEX = "index.html"
NONCE = "%CSP_NONCE%"
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Finery</title></head>
<body><h1>Finery</h1><p>The page has not been built here. In a clone of the repository, <code>make setup</code> builds
it; installed packages have it. The API is described at <a href="/docs">/docs</a>.</p></body></html>
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HASHED = "assets/"
"""Below it, names hold a hash of what is in the file."""
PACKED = ".gz"
"""Ends the name of a file's compressed form, which lies beside it."""
LONG = "public, max-age=31536000, immutable"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}

FileName = Annotated[str, PathParameter(max_length=1024)]

EVERYONE = Depends(AllowEveryone())
"""The page holds nothing of anybody's: what it shows it asks of the API, as whoever looks at it."""

router = APIRouter(include_in_schema=False)


@router.get("/", dependencies=[EVERYONE])
async def to_page(request: Request) -> Response:
    """Leads a browser to the page; programs find nothing here."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(404)
    # Relative, so that it holds behind any proxy.
    return RedirectResponse("ui/", status_code=307)


@router.get("/ui", dependencies=[EVERYONE])
async def to_page_with_slash() -> Response:
    return RedirectResponse("ui/", status_code=308)


@router.get("/ui/{name:path}", dependencies=[EVERYONE])
async def page(name: FileName, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """Answers with the file of that name; with the page for any other address, since its script knows them."""
    path = files(DIST).get(name)
    if path is None and not name.startswith(HASHED):
        return _index()
    if path is None:
        return Response(status_code=404)
    headers = {"Cache-Control": LONG if name.startswith(HASHED) else "max-age=3600", "Vary": "Accept-Encoding"}
    packed = files(DIST).get(name + PACKED) if "gzip" in accept_encoding else None
    if packed is not None:
        headers["Content-Encoding"] = "gzip"
    return FileResponse(packed or path, media_type=TYPES.get(path.suffix), headers=headers)


def _index() -> Response:
    nonce = secrets.token_urlsafe(16)
    html = document(DIST).replace(NONCE, nonce)
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY.format(nonce=nonce)})


@functools.cache
def files(folder: Path) -> dict[str, Path]:
    """Returns the built files by name; only what is there when the first is asked for is served."""
    return {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file() and path.name != INDEX
    }


@functools.cache
def document(folder: Path) -> str:
    """Returns the page's document, with NONCE where the value of each answer belongs."""
    index = folder / INDEX
    return index.read_text("utf-8") if index.is_file() else NOT_BUILT
