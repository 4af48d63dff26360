"""Receives uploaded files (multipart/form-data): hashes them and writes them to disk while they come."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from finery.contracts.layout import HomeDirectory
from finery.domain.datasets.blobs import NewFile
from finery.domain.errors import DomainError, ErrorKind
from finery.http.problems import Problem, RequestRefused
from finery.kit.files import sync_directory, write_json
from finery.kit.large_files import LargeFile
from finery.kit.multipart import Headers, MalformedForm, Multipart
from finery.kit.translatable import Translatable, message_of

MAX_PARTS = 1000
MAX_FIELDS = 100
MAX_FIELD_NAME = 100
MAX_FIELD_BYTES = 64 << 10
MAX_NAME = 200
WRITE_BYTES = 1 << 20
MANY_PIECES = 64
PARTIAL = ".partial"


def file_form(part: str = "file", /, *required: str, **fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the form's part of OpenAPI, which FastAPI does not know, since the form is read as it comes.

    `required` names the fields that must be beside the file.
    """
    schema = {
        "type": "object",
        "required": [part, *required],
        "properties": {part: {"type": "string", "format": "binary"}, **fields},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


FILE_FORM = file_form()


class UploadRefused(DomainError):
    kind = ErrorKind.INVALID
    code = "invalid_upload"

    def __init__(self, message: str, *, field: str = "file") -> None:
        super().__init__(message, field=field)


@dataclass(frozen=True)
class Upload(NewFile):
    """A received file. Whoever received it moves it to its place, or discards it."""

    fields: dict[str, str] = field(default_factory=dict)
    """The form's other parts."""

    def discard(self) -> None:
        """Remove the file; does nothing once it was moved."""
        self.path.unlink(missing_ok=True)


async def receive_upload(request: Request, folder: Path, *, parts: Sequence[str] = ("file",)) -> Upload:
    """Write the form's one file, from a part named as one of `parts`, to a temporary file in `folder`.

    Whatever goes wrong, a disconnect included, leaves nothing behind. Raises UploadRefused, RequestRefused.
    """
    form = _Form(_boundary(request, parts), parts)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / f"{PARTIAL}-{secrets.token_hex(8)}"
    try:
        with path.open("xb", buffering=0) as file, LargeFile(file) as large:
            size, digest = await _write(request.stream(), form, _Sink(large))
        if not size:
            raise UploadRefused(Translatable("the file is empty"), field=parts[0])
        return Upload(path, form.filename, size, digest, form.fields())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def keep_upload(upload: Upload, home: HomeDirectory) -> Upload:
    """Move the file to the uploads' folder, named by its content, so that the same file is stored once."""
    return await asyncio.to_thread(_keep, upload, home.uploads)


def discard_partial_uploads(home: HomeDirectory) -> None:
    """Remove the partial files that a killed server left."""
    for folder in (home.uploads, home.blobs):
        for path in folder.glob(f"{PARTIAL}-*"):
            path.unlink(missing_ok=True)


def shown_name(raw: bytes) -> str:
    """Returns a client's file name for display: its last part, without characters that do not print."""
    name = re.split(r"[/\\]", raw.decode("utf-8", errors="replace"))[-1]
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME] or "unnamed"


async def _write(chunks: AsyncIterator[bytes], form: "_Form", sink: "_Sink") -> tuple[int, str]:
    """Returns size and hash. Threads hash and write what came while the next is read."""
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writing.set_result(None)
    try:
        async for chunk in chunks:
            form.feed(chunk)
            if form.pending_bytes >= WRITE_BYTES:
                pieces = form.take()
                await asyncio.shield(writing)
                writing = asyncio.ensure_future(sink.take(pieces))
        form.finish()
        await asyncio.shield(writing)
        writing = asyncio.ensure_future(sink.end(form.take()))
        await asyncio.shield(writing)
    finally:
        # The file must not be closed while a thread writes to it.
        await asyncio.wait([writing])
    return sink.size, sink.digest.hexdigest()


class _Sink:
    """Hashes and writes at the same time. Its methods must be called one after the other."""

    def __init__(self, file: LargeFile) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file = file

    async def take(self, pieces: list[bytes]) -> None:
        if len(pieces) >= MANY_PIECES:
            # A client may send byte by byte.
            pieces = [b"".join(pieces)]
        await asyncio.gather(asyncio.to_thread(self._hash, pieces), asyncio.to_thread(self.write, pieces))

    async def end(self, pieces: list[bytes]) -> None:
        await self.take(pieces)
        await asyncio.to_thread(self._file.sync)

    def write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._file.write(piece)
            self.size += len(piece)

    def _hash(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.digest.update(piece)


def _keep(upload: Upload, folder: Path) -> Upload:
    path = folder / f"{upload.sha256[:32]}{upload.suffix}"
    upload.path.replace(path)
    sync_directory(folder)
    write_json(path.with_name(f"{path.name}.meta"), {"filename": upload.filename, "sha256": upload.sha256})
    return Upload(path, upload.filename, upload.size_bytes, upload.sha256, upload.fields)


def _boundary(request: Request, parts: Sequence[str]) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if media_type != b"multipart/form-data" or not boundary:
        message = Translatable("send the file as multipart/form-data, in a part named {parts}", parts=parts[0])
        raise RequestRefused(Problem(415, "unsupported_media_type", message))
    return boundary


class _Form:
    """Parses the form: gathers pieces of the file until `take`, and keeps the small fields around it."""

    def __init__(self, boundary: bytes, parts: Sequence[str]) -> None:
        self.pending_bytes = 0
        self.filename = ""
        self._wanted = parts
        self._pieces: list[bytes] = []
        self._parts = 0
        self._values: dict[str, bytearray] = {}
        self._value: bytearray | None = None
        """The value of the field that is being read; None: the part is ignored, or is the file."""
        self._repeated: str | None = None
        self._in_file = False
        self._has_file = False
        try:
            self._parser = Multipart(boundary)
        except MalformedForm as error:
            raise UploadRefused(message_of(error)) from error

    def feed(self, chunk: bytes) -> None:
        try:
            for event in self._parser.feed(chunk):
                self._begin(event) if isinstance(event, dict) else self._add(event)
        except MalformedForm as error:
            raise self._refusal(message_of(error)) from error

    def finish(self) -> None:
        if not self._parser.is_whole:
            raise self._refusal(Translatable("the form ends too early"))
        if not self._has_file:
            raise self._refusal(
                Translatable("the form has no file in a part named {wanted}", wanted=" or ".join(self._wanted))
            )
        if self._repeated is not None:
            raise UploadRefused(Translatable("the form gives it twice"), field=self._repeated)

    def take(self) -> list[bytes]:
        pieces, self._pieces, self.pending_bytes = self._pieces, [], 0
        return pieces

    def fields(self) -> dict[str, str]:
        return {name: _text(name, value) for name, value in self._values.items()}

    def _refusal(self, message: str) -> UploadRefused:
        return UploadRefused(message, field=self._wanted[0])

    def _begin(self, headers: Headers) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise RequestRefused(
                Problem(413, "too_large", Translatable("the form has more than {max_parts} parts", max_parts=MAX_PARTS))
            )
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file, self._value = False, None
        if b"filename" not in options:
            self._value = self._new_field(name)
        elif name in self._wanted:
            self._begin_file(options[b"filename"])

    def _begin_file(self, filename: bytes) -> None:
        if self._has_file:
            raise self._refusal(Translatable("the form holds more than one file; send one at a time"))
        self._in_file = self._has_file = True
        self.filename = shown_name(filename)

    def _new_field(self, name: str) -> bytearray | None:
        if name in self._values:
            self._repeated = name
            return None
        if len(name) > MAX_FIELD_NAME:
            raise UploadRefused(
                Translatable("a field's name has at most {max_field_name} characters", max_field_name=MAX_FIELD_NAME),
                field=name[:MAX_FIELD_NAME],
            )
        if len(self._values) >= MAX_FIELDS:
            raise RequestRefused(
                Problem(
                    413, "too_large", Translatable("the form has more than {max_fields} fields", max_fields=MAX_FIELDS)
                )
            )
        return self._values.setdefault(name, bytearray())

    def _add(self, data: bytes) -> None:
        if self._in_file:
            self._pieces.append(data)
            self.pending_bytes += len(data)
        elif self._value is not None:
            self._value += data
            if len(self._value) > MAX_FIELD_BYTES:
                raise RequestRefused(
                    Problem(
                        413,
                        "too_large",
                        Translatable("a field holds at most {max_field_bytes} bytes", max_field_bytes=MAX_FIELD_BYTES),
                    )
                )


def _text(name: str, value: bytearray) -> str:
    if 0 in value:
        raise UploadRefused(Translatable("holds the character NUL, which cannot be stored; leave it out"), field=name)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UploadRefused(Translatable("is not valid UTF-8"), field=name) from error
