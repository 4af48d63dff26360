"""The one place that unpacks an archive that somebody sent: zip, tar, tar.gz."""

import gzip
import os
import re
import secrets
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from finery.kit.files import sync_directory
from finery.kit.printable import printable

CHUNK_BYTES = 1 << 20
UNPACKING = ".unpacking-"
"""How the folders begin in which archives are unpacked; what a kill left behind is known by it."""

_BLOCK = 512
_TAR_NOTE_BYTES = 1 << 20
_ZIP_DIRECTORY_BYTES = 256 << 20
_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_ZIP64_LOCATOR_BYTES = 20
_ZIP_ENTRY = struct.Struct("<4s24x3H12x")
_ZIP_MASKED = 0x1 | 0x40 | 0x2000
_DRIVE = re.compile(r"[A-Za-z]:")
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TAR_NOTES = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME}
_TAR_IGNORED_NOTES = {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK}
_TAR_REFUSED = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a named pipe",
}
_UNREADABLE = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    UnicodeError,
    OverflowError,
)
"""What the readers of the standard library raise for a damaged archive. No OSError but BadGzipFile: a full disk is not
the archive's fault."""

Wanted = Callable[[str], bool]


class ArchiveRefused(ValueError):
    """`entry` is the name of the entry that is to blame, made printable; None when it is the archive itself."""

    def __init__(self, reason: str, *, entry: str | None = None) -> None:
        self.entry = None if entry is None else printable(entry)
        self.reason = reason
        super().__init__(f"the archive {reason}" if self.entry is None else f"entry '{self.entry}' {reason}")


@dataclass(frozen=True)
class ArchiveLimits:
    entries: int = 100_000
    """Files and folders together, those folders included that only a longer name implies."""
    total_bytes: int = 64 << 30
    """Unpacked."""
    ratio: int = 200
    """Unpacked to packed size, once more than `ratio_free_bytes` were unpacked."""
    ratio_free_bytes: int = 64 << 20
    depth: int = 32
    name_bytes: int = 1024


@dataclass(frozen=True)
class Unpacked:
    files: int
    skipped: int
    """Files that were not wanted."""
    total_bytes: int
    """Of the files that were written."""


def unpack(
    archive: Path, target: Path, *, limits: ArchiveLimits | None = None, wanted: Wanted = lambda name: True
) -> Unpacked:
    """Unpack into `target`, which must be absent or an empty folder. All of it, or nothing is left.

    `wanted` sees each file's name (with `/`, relative to `target`); the others are skipped. Owners, modes and times
    in the archive are ignored. Raises ArchiveRefused, and OSError when the disk is full or `target` is not empty.
    """
    limits = limits or ArchiveLimits()
    folder = target.with_name(UNPACKING + secrets.token_hex(8))
    folder.mkdir()
    try:
        unpacked = _unpack(archive, _Destination(folder, limits, archive.stat().st_size, wanted))
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    sync_directory(target.parent)
    return unpacked


def remove_leftovers(parent: Path) -> None:
    """What unpacking in `parent` left when it was killed; only while nobody unpacks there."""
    for folder in parent.glob(UNPACKING + "*"):
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: Path, destination: "_Destination") -> Unpacked:
    with archive.open("rb") as file:
        head = file.read(_BLOCK)
        file.seek(0)
        try:
            _reader_of(head)(file, destination)
        except _UNREADABLE as error:
            raise ArchiveRefused(f"is damaged: {printable(str(error), limit=200)}") from error
    if not destination.names.count:
        raise ArchiveRefused("is empty")
    return Unpacked(destination.files, destination.skipped, destination.written)


def _reader_of(head: bytes) -> Callable[[IO[bytes], "_Destination"], None]:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _read_zip
    if head.startswith(b"\x1f\x8b"):
        return _read_tar_gz
    try:
        _tar_header(head)
    except tarfile.HeaderError as error:
        raise ArchiveRefused("is no zip, tar or tar.gz") from error
    return _read_tar


def _read_zip(file: IO[bytes], destination: "_Destination") -> None:
    _count_zip_entries(file, destination.limits)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            _check_zip_entry(info, destination.packed_bytes)
            if info.orig_filename.endswith("/") or stat.S_ISDIR(info.external_attr >> 16):
                destination.add_folder(info.orig_filename)
            elif destination.accepts(info.orig_filename):
                with archive.open(info) as source:
                    destination.add_file(info.orig_filename, _zip_chunks(source, info))


def _zip_chunks(source: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    size = 0
    while chunk := source.read(CHUNK_BYTES):
        size += len(chunk)
        yield chunk
    if size != info.file_size:
        raise ArchiveRefused("lies about its size", entry=info.orig_filename)


def _check_zip_entry(info: zipfile.ZipInfo, packed_bytes: int) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not 0 <= info.header_offset < packed_bytes:
        raise ArchiveRefused("is damaged: it begins outside the archive", entry=info.orig_filename)
    if info.flag_bits & _ZIP_MASKED:
        raise ArchiveRefused("is encrypted; send it without a password", entry=info.orig_filename)
    if stat.S_ISLNK(kind):
        raise ArchiveRefused("is a symbolic link", entry=info.orig_filename)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveRefused("is neither a file nor a folder", entry=info.orig_filename)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveRefused("is compressed in an unusual way; pack it with deflate", entry=info.orig_filename)


def _count_zip_entries(file: IO[bytes], limits: ArchiveLimits) -> None:
    """`zipfile` takes the whole directory into memory, whatever it says of its length: count it before."""
    start, size = _zip_directory(file)
    if size > _ZIP_DIRECTORY_BYTES:
        raise ArchiveRefused(f"has a directory of more than {_ZIP_DIRECTORY_BYTES >> 20} MiB")
    count, position = 0, start
    while position < start + size:
        file.seek(position)
        magic, *lengths = _ZIP_ENTRY.unpack(file.read(_ZIP_ENTRY.size))
        if magic != b"PK\x01\x02":
            raise ArchiveRefused("is damaged: its directory cannot be read")
        count, position = count + 1, position + _ZIP_ENTRY.size + sum(lengths)
        if count > limits.entries:
            raise _too_many(limits)
    file.seek(0)


def _zip_directory(file: IO[bytes]) -> tuple[int, int]:
    """Where `zipfile` will read the directory: the end's record has its length, which is counted back from there."""
    length = file.seek(0, os.SEEK_END)
    tail_start = max(0, length - _ZIP_END.size - 0xFFFF)
    file.seek(tail_start)
    tail = file.read()
    plain = tail[-_ZIP_END.size :]
    found = len(tail) - len(plain) if plain[:4] == b"PK\5\6" and plain[-2:] == b"\0\0" else tail.rfind(b"PK\5\6")
    if found < 0 or found + _ZIP_END.size > len(tail):
        raise ArchiveRefused("is damaged: its end is missing")
    end = tail_start + found
    size: int = _ZIP_END.unpack_from(tail, found)[5]
    sixty_four = end - _ZIP64_LOCATOR_BYTES - _ZIP64_END.size
    if sixty_four >= 0:
        file.seek(sixty_four)
        record = file.read(_ZIP64_END.size + 4)
        if record[:4] == b"PK\6\6" and record[-4:] == b"PK\6\7":
            end, size = sixty_four, _ZIP64_END.unpack_from(record)[8]
    if size > end:
        raise ArchiveRefused("is damaged: its directory is longer than itself")
    return end - size, size


def _read_tar_gz(file: IO[bytes], destination: "_Destination") -> None:
    with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        _read_tar(unpacked, destination)


def _read_tar(file: IO[bytes] | gzip.GzipFile, destination: "_Destination") -> None:
    """Our own loop over the blocks: `tarfile` takes notes of any length into memory, and keeps every entry there."""
    stream = _TarStream(file, destination)
    noted = _Noted()
    while (info := stream.next_header()) is not None:
        if info.type in _TAR_NOTES:
            noted = _read_note(info, stream, noted)
        elif info.type in _TAR_IGNORED_NOTES:
            stream.note(info)
        else:
            _read_member(info, noted, stream, destination)
            noted = _Noted()
    stream.drain()


@dataclass(frozen=True)
class _Noted:
    """What a header before the entry's own says of it."""

    name: str | None = None
    size: int | None = None


def _read_note(info: tarfile.TarInfo, stream: "_TarStream", before: _Noted) -> _Noted:
    content = stream.note(info)
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return _Noted(_text(content.split(b"\0")[0]), before.size)
    records = dict(_pax_records(content))
    if any(key.startswith("GNU.sparse") for key in records):
        raise ArchiveRefused("is a sparse file; pack it without --sparse", entry=records.get("path", info.name))
    size = records.get("size")
    if size is not None and not (size.isascii() and size.isdigit() and len(size) < 19):
        raise ArchiveRefused("is damaged: a size is no number")
    return _Noted(records.get("path", before.name), before.size if size is None else int(size))


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """`LENGTH KEY=VALUE\\n`, the length counting itself."""
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not len(length) < int(length[:9]) <= len(content):
            raise ArchiveRefused("is damaged: an extended header cannot be read")
        record, content = content[len(length) + 1 : int(length) - 1], content[int(length) :]
        key, _, value = record.partition(b"=")
        yield _text(key), _text(value)


def _read_member(info: tarfile.TarInfo, noted: _Noted, stream: "_TarStream", destination: "_Destination") -> None:
    name = info.name if noted.name is None else noted.name
    size = info.size if noted.size is None else noted.size
    if info.type in _TAR_REFUSED:
        raise ArchiveRefused(_TAR_REFUSED[info.type], entry=name)
    if info.type == tarfile.DIRTYPE or (info.type == tarfile.AREGTYPE and name.endswith("/")):
        destination.add_folder(name)
        stream.skip(size, entry=name)
    elif info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
        raise ArchiveRefused("is neither a file nor a folder", entry=name)
    elif destination.accepts(name):
        destination.add_file(name, stream.chunks(size, entry=name))
    else:
        stream.skip(size, entry=name)


def _tar_header(block: bytes) -> tarfile.TarInfo | None:
    """None for the empty block that marks the end."""
    return None if block == bytes(_BLOCK) else tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class _TarStream:
    """Blocks in order; each byte that comes out of the compression counts, entry or not."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, destination: "_Destination") -> None:
        self._file = file
        self._destination = destination

    def next_header(self) -> tarfile.TarInfo | None:
        """None at the end, with or without the two empty blocks that mark it."""
        block = self._read(_BLOCK)
        return _tar_header(block) if block else None

    def note(self, info: tarfile.TarInfo) -> bytes:
        if not 0 <= info.size <= _TAR_NOTE_BYTES:
            raise ArchiveRefused(f"has an extended header of more than {_TAR_NOTE_BYTES >> 20} MiB")
        return b"".join(self.chunks(info.size, entry=info.name))

    def skip(self, size: int, *, entry: str) -> None:
        for _ in self.chunks(size, entry=entry):
            pass

    def drain(self) -> None:
        """To the end of the compressed stream, whose checksum stands there."""
        while self._read(CHUNK_BYTES):
            pass

    def chunks(self, size: int, *, entry: str) -> Iterator[bytes]:
        if size < 0:
            raise ArchiveRefused("has a negative size", entry=entry)
        left = size
        while left:
            chunk = self._read(min(left, CHUNK_BYTES))
            if not chunk:
                raise ArchiveRefused("is damaged: it ends in the middle of an entry")
            left -= len(chunk)
            yield chunk
        self._read(-size % _BLOCK)

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._destination.count_bytes(len(data))
        return data


@dataclass
class _Destination:
    """The folder that entries are written to, and what they may not do there."""

    folder: Path
    limits: ArchiveLimits
    packed_bytes: int
    wanted: Wanted
    files: int = 0
    skipped: int = 0
    written: int = 0
    unpacked: int = 0
    names: "_Names" = field(init=False)

    def __post_init__(self) -> None:
        self.names = _Names(self.limits)

    def accepts(self, name: str) -> bool:
        """False for a file that is not wanted. Each file is asked for once."""
        path = self.names.register(name, is_folder=False)
        if self.wanted(path):
            return True
        self.skipped += 1
        return False

    def add_folder(self, name: str) -> None:
        if path := self.names.register(name, is_folder=True):
            (self.folder / path).mkdir(parents=True, exist_ok=True)

    def add_file(self, name: str, chunks: Iterator[bytes]) -> None:
        path = self.folder / "/".join(_parts(name, self.limits))
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive creation never follows a link and never writes into what is there.
        with path.open("xb") as file:
            for chunk in chunks:
                self.written += len(chunk)
                self._check_total(self.written)
                file.write(chunk)
        self.files += 1

    def count_bytes(self, count: int) -> None:
        """Of a tar's stream, which is packed as a whole: the skipped count too."""
        self.unpacked += count
        self._check_total(self.unpacked)

    def _check_total(self, total: int) -> None:
        if total > self.limits.total_bytes:
            raise ArchiveRefused(f"unpacks to more than {self.limits.total_bytes:,} bytes")
        if total > max(self.limits.ratio_free_bytes, self.limits.ratio * self.packed_bytes):
            raise ArchiveRefused(f"unpacks to more than {self.limits.ratio} times its size")


class _Names:
    """The names so far. Compared as a file system without capitals would compare them."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._seen: dict[str, tuple[str, bool]] = {}

    @property
    def count(self) -> int:
        return len(self._seen)

    def register(self, name: str, *, is_folder: bool) -> str:
        """The name, tidied. Raises ArchiveRefused for one that is unfit, taken, or one too many."""
        parts = _parts(name, self._limits)
        if not parts and not is_folder:
            raise ArchiveRefused("has no name", entry=name)
        for depth in range(1, len(parts)):
            self._take("/".join(parts[:depth]), is_folder=True, entry=name)
        if parts:
            self._take("/".join(parts), is_folder=is_folder, entry=name)
        return "/".join(parts)

    def _take(self, path: str, *, is_folder: bool, entry: str) -> None:
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        before = self._seen.get(key)
        if before is not None and (before != (path, True) or not is_folder):
            raise ArchiveRefused("has the name of another entry (capitals do not count)", entry=entry)
        self._seen[key] = (path, is_folder)
        if len(self._seen) > self._limits.entries:
            raise _too_many(self._limits)


def _parts(name: str, limits: ArchiveLimits) -> list[str]:
    if (flaw := _flaw_of(name, limits)) is not None:
        raise ArchiveRefused(flaw, entry=name)
    return [part for part in name.split("/") if part not in ("", ".")]


def _flaw_of(name: str, limits: ArchiveLimits) -> str | None:
    parts = name.split("/")
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    flaws = {
        "has an absolute name": name.startswith(("/", "\\")) or _DRIVE.match(name) is not None,
        "leads out of its folder": ".." in parts or ".." in name.split("\\"),
        "has a control character, or bytes that are no UTF-8, in its name": any(map(_is_unfit, name)),
        "has a backslash in its name; pack it with / between folders": "\\" in name,
        "has too long a name": sum(sizes) > limits.name_bytes or max(sizes) > 255,
        "lies too deep": len(parts) > limits.depth + 1,
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), None)


def _is_unfit(character: str) -> bool:
    return unicodedata.category(character) in _UNFIT or character in _DIRECTION_MARKS


def _too_many(limits: ArchiveLimits) -> ArchiveRefused:
    return ArchiveRefused(f"has more than {limits.entries:,} entries")
