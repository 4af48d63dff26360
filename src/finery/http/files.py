"""Answers with a file or a range of its bytes, as large as it was at the request, though it may grow meanwhile."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import anyio
from starlette.responses import Response, StreamingResponse

from finery.http.problems import Problem, RequestRefused

CHUNK_BYTES = 1 << 18
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def file_range(path: Path, wanted: str | None, *, media_type: str) -> Response:
    """Returns the file, or the range in `wanted`, the Range header. For several it is the whole file, as HTTP
    allows."""
    size = path.stat().st_size if path.is_file() else 0
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if found is None or found.groups() == ("", ""):
        return _stream(path, 0, size, 200, {"Content-Length": str(size)}, media_type)
    start, end = _bounds(found[1], found[2], size)
    if start >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        raise RequestRefused(Problem(416, "range_not_satisfiable", f"there are {size} bytes", headers=headers))
    headers = {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
    return _stream(path, start, end, 206, headers, media_type)


def named_attachment(filename: str) -> str:
    """Returns a Content-Disposition under which a client saves the content by that name, without its folders.

    A name that is not plain ASCII is said twice, as RFC 6266 has it: encoded (RFC 5987), and for clients that do not
    read that with `_` in place of what they might misread.
    """
    name = Path(filename).name or "file"
    plain = _UNSAFE.sub("_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{extended}'


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _stream(path: Path, start: int, end: int, status: int, headers: dict[str, str], media_type: str) -> Response:
    headers = {"Accept-Ranges": "bytes", **headers}
    return StreamingResponse(_chunks(path, start, end), status, headers=headers, media_type=media_type)


async def _chunks(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    if start >= end:
        return
    async with await anyio.open_file(path, "rb") as file:
        await file.seek(start)
        while start < end and (chunk := await file.read(min(CHUNK_BYTES, end - start))):
            start += len(chunk)
            yield chunk
