"""Files that are uploaded: written to disk once, as they come, under a name that we choose."""

import asyncio
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from finery.contracts.layout import HomeDirectory
from finery.domain.errors import DomainError, ErrorKind, Flaw
from finery.http.problems import Problem, RequestRefused
from finery.kit.files import sync_directory, write_json

MAX_PARTS = 100
MAX_HEADER_BYTES = 8192
MAX_NAME = 200
WRITE_BYTES = 1 << 20
PARTIAL = ".partial"
FILE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
"""For the documentation: the form is read as it comes, so FastAPI does not see it."""
_SUFFIX = re.compile(r"\.(json|jsonl|ndjson|csv|tsv|parquet|txt)(\.gz)?$")


class UploadRefused(DomainError):
    kind = ErrorKind.INVALID
    code = "invalid_upload"

    def __init__(self, message: str) -> None:
        super().__init__(message, flaws=[Flaw("file", message)])


@dataclass(frozen=True)
class Upload:
    path: Path
    filename: str
    """As the client called it, for people to read; never part of a path."""
    size_bytes: int
    sha256: str


async def receive_upload(request: Request, home: HomeDirectory) -> Upload:
    """The form's part `file`. Whatever goes wrong, also the client's going away, nothing is left behind."""
    boundary = _boundary(request)
    await asyncio.to_thread(home.uploads.mkdir, parents=True, exist_ok=True)
    partial = home.uploads / f"{PARTIAL}-{secrets.token_hex(8)}"
    try:
        with partial.open("xb") as file:
            form = _Form(boundary)
            digest = await _write(request.stream(), form, file)
        return await asyncio.to_thread(_keep, home, partial, form, digest)
    finally:
        partial.unlink(missing_ok=True)


def discard_partial_uploads(home: HomeDirectory) -> None:
    """What a killed server left."""
    for path in home.uploads.glob(f"{PARTIAL}-*"):
        path.unlink(missing_ok=True)


async def _write(chunks: AsyncIterator[bytes], form: "_Form", file: BinaryIO) -> Any:
    digest = hashlib.sha256()

    def flush(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    async for chunk in chunks:
        form.feed(chunk)
        if len(form.content) >= WRITE_BYTES:
            await asyncio.to_thread(flush, form.take())
    form.finish()
    await asyncio.to_thread(flush, form.take())
    return digest


def _keep(home: HomeDirectory, partial: Path, form: "_Form", digest: Any) -> Upload:
    """Named by its content, so that the same file twice is stored once."""
    size = partial.stat().st_size
    if not size:
        raise UploadRefused("the file is empty")
    found = _SUFFIX.search(form.filename.lower())
    path = home.uploads / f"{digest.hexdigest()[:32]}{found[0] if found else ''}"
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(home.uploads)
    upload = Upload(path, form.filename, size, digest.hexdigest())
    write_json(path.with_name(f"{path.name}.meta"), {"filename": upload.filename, "sha256": upload.sha256})
    return upload


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if media_type != b"multipart/form-data" or not boundary:
        raise RequestRefused(
            Problem(415, "unsupported_media_type", "send the file as multipart/form-data, in a part named file")
        )
    return boundary


@dataclass
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class _Form:
    """Gathers the content of the part `file`, and passes over other parts."""

    def __init__(self, boundary: bytes) -> None:
        self.content = bytearray()
        self.filename = ""
        self._parts = 0
        self._part = _Part()
        self._is_wanted = False
        self._has_file = False
        self._is_whole = False
        self._parser = MultipartParser(boundary, self._callbacks())

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise UploadRefused("the form cannot be read: it is malformed") from error

    def finish(self) -> None:
        if not self._is_whole:
            raise UploadRefused("the form ends too early")
        if not self._has_file:
            raise UploadRefused("the form has no file in a part named file")

    def take(self) -> bytes:
        data = bytes(self.content)
        self.content.clear()
        return data

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise RequestRefused(Problem(413, "too_large", f"the form has more than {MAX_PARTS} parts"))
        self._part = _Part()
        self._is_wanted = False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]
        self._limit_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]
        self._limit_header()

    def _limit_header(self) -> None:
        if len(self._part.name) + len(self._part.value) > MAX_HEADER_BYTES:
            raise UploadRefused("a part's header is too long")

    def _end_header(self) -> None:
        self._part.headers[bytes(self._part.name).lower()] = bytes(self._part.value)
        self._part.name.clear()
        self._part.value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._part.headers.get(b"content-disposition", b""))
        self._is_wanted = options.get(b"name") == b"file" and b"filename" in options
        if not self._is_wanted:
            return
        if self._has_file:
            raise UploadRefused("the form holds more than one file; send one at a time")
        self._has_file = True
        self.filename = shown_name(options[b"filename"])

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_wanted:
            self.content += data[start:end]

    def _end(self) -> None:
        self._is_whole = True


def shown_name(raw: bytes) -> str:
    """A client's file name as text for people: its last part, without what does not print or turns the writing."""
    name = re.split(r"[/\\]", raw.decode("utf-8", errors="replace"))[-1]
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME] or "unnamed"
