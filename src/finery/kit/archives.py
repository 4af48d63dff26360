"""Unpacks untrusted zip archives within limits on size, ratio, depth and names."""

import io
import re
import secrets
import shutil
import stat
import struct
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
"""Prefix of the folders in which archives are unpacked, by which leftovers of a kill are found."""

_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_DIRECTORY_ENTRY_BYTES = 128
"""Allowed average size of an entry in the archive's directory."""
_MASKED = 0x1 | 0x40 | 0x2000
_DRIVE = re.compile(r"[A-Za-z]:")
_UNFIT = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    UnicodeError,
    OverflowError,
)
"""Errors of `zipfile` for a damaged archive. OSError is none: a full disk is not the archive's fault."""

Wanted = Callable[[str], bool]


class ArchiveRefused(ValueError):
    """The archive is refused. `entry`: the printable name of the entry to blame; None: the archive itself."""

    def __init__(self, reason: str, *, entry: str | None = None) -> None:
        self.entry = None if entry is None else printable(entry)
        self.reason = reason
        super().__init__(f"the archive {reason}" if self.entry is None else f"entry '{self.entry}' {reason}")


@dataclass(frozen=True)
class ArchiveLimits:
    entries: int = 100_000
    """Files and folders together, including folders that only occur in longer names."""
    total_bytes: int = 64 << 30
    """Unpacked size of all files."""
    ratio: int = 200
    """Limit of unpacked to packed size; it applies from `ratio_free_bytes` unpacked bytes on."""
    ratio_free_bytes: int = 64 << 20
    depth: int = 32
    name_bytes: int = 1024


@dataclass(frozen=True)
class Unpacked:
    files: int
    skipped: int
    """Files that were not wanted."""
    total_bytes: int
    """Size of the files that were written."""


def unpack(
    archive: Path, target: Path, *, limits: ArchiveLimits | None = None, wanted: Wanted = lambda name: True
) -> Unpacked:
    """Unpacks into `target`, which must be absent or an empty folder. If it fails, nothing is left.

    Files for whose name (with `/`, relative to `target`) `wanted` is false are skipped. Owners, modes and times in the
    archive are ignored. Raises ArchiveRefused, and OSError if the disk is full or `target` is not empty.
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
    """Removes what a killed process left of unpacking in `parent`. Nobody may unpack there meanwhile."""
    for folder in parent.glob(UNPACKING + "*"):
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: Path, destination: "_Destination") -> Unpacked:
    limits = destination.limits
    with _BoundedReads(archive, max(CHUNK_BYTES, limits.entries * _DIRECTORY_ENTRY_BYTES)) as file:
        if file.read(4) not in _STARTS:
            raise ArchiveRefused("is no zip")
        try:
            _read_zip(file, destination)
        except _UNREADABLE as error:
            raise ArchiveRefused(f"is damaged: {printable(str(error), limit=200)}") from error
    if not destination.names.count:
        raise ArchiveRefused("is empty")
    return Unpacked(destination.files, destination.skipped, destination.written)


class _BoundedReads(io.FileIO):
    """Refuses long reads: `zipfile` reads the archive's directory at once, and makes an object of every entry before
    they can be counted, so the number of entries is bounded by the directory's size."""

    def __init__(self, path: Path, longest: int) -> None:
        super().__init__(path)
        self._longest = longest

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._longest:
            raise ArchiveRefused(f"has a directory of more than {self._longest:,} bytes")
        return super().read(size) or b""


def _read_zip(file: IO[bytes], destination: "_Destination") -> None:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            _check_entry(info, destination.packed_bytes)
            if info.orig_filename.endswith("/") or stat.S_ISDIR(info.external_attr >> 16):
                destination.add_folder(info.orig_filename)
            elif destination.accepts(info.orig_filename):
                with archive.open(info) as source:
                    destination.add_file(info.orig_filename, _chunks(source, info))


def _chunks(source: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    size = 0
    while chunk := source.read(CHUNK_BYTES):
        size += len(chunk)
        yield chunk
    if size != info.file_size:
        raise ArchiveRefused("lies about its size", entry=info.orig_filename)


def _check_entry(info: zipfile.ZipInfo, packed_bytes: int) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not 0 <= info.header_offset < packed_bytes:
        raise ArchiveRefused("is damaged: it begins outside the archive", entry=info.orig_filename)
    if info.flag_bits & _MASKED:
        raise ArchiveRefused("is encrypted; send it without a password", entry=info.orig_filename)
    if stat.S_ISLNK(kind):
        raise ArchiveRefused("is a symbolic link", entry=info.orig_filename)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveRefused("is neither a file nor a folder", entry=info.orig_filename)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveRefused("is compressed in an unusual way; pack it with deflate", entry=info.orig_filename)


@dataclass
class _Destination:
    """The folder that entries are written to, with its limits and counts."""

    folder: Path
    limits: ArchiveLimits
    packed_bytes: int
    wanted: Wanted
    files: int = 0
    skipped: int = 0
    written: int = 0
    names: "_Names" = field(init=False)

    def __post_init__(self) -> None:
        self.names = _Names(self.limits)

    def accepts(self, name: str) -> bool:
        """Registers a file's name, and returns whether the file is wanted. It is called once for each file."""
        path = self.names.register(name, is_folder=False)
        if self.wanted(path):
            return True
        self.skipped += 1
        return False

    def add_folder(self, name: str) -> None:
        if path := self.names.register(name, is_folder=True):
            (self.folder / path).mkdir(parents=True, exist_ok=True)

    def add_file(self, name: str, chunks: Iterator[bytes]) -> None:
        limits = self.limits
        path = self.folder / "/".join(_parts(name, limits))
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive creation never follows a link and never writes into what is there.
        with path.open("xb") as file:
            for chunk in chunks:
                self.written += len(chunk)
                # Sizes in the archive's directory may lie, so the bytes are counted as they come.
                if self.written > limits.total_bytes:
                    raise ArchiveRefused(f"unpacks to more than {limits.total_bytes:,} bytes")
                if self.written > max(limits.ratio_free_bytes, limits.ratio * self.packed_bytes):
                    raise ArchiveRefused(f"unpacks to more than {limits.ratio} times its size")
                file.write(chunk)
        self.files += 1


class _Names:
    """The names so far, compared as on a case-insensitive file system."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._seen: dict[str, tuple[str, bool]] = {}

    @property
    def count(self) -> int:
        return len(self._seen)

    def register(self, name: str, *, is_folder: bool) -> str:
        """Returns the normalised name. Raises ArchiveRefused for one that is invalid, taken, or one too many."""
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
            raise ArchiveRefused(f"has more than {self._limits.entries:,} entries")


def _parts(name: str, limits: ArchiveLimits) -> list[str]:
    if (issue := _issue_of(name, limits)) is not None:
        raise ArchiveRefused(issue, entry=name)
    return [part for part in name.split("/") if part not in ("", ".")]


def _issue_of(name: str, limits: ArchiveLimits) -> str | None:
    parts = name.split("/")
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    issues = {
        "has an absolute name": name.startswith(("/", "\\")) or _DRIVE.match(name) is not None,
        "leads out of its folder": ".." in parts or ".." in name.split("\\"),
        "has a control character, or bytes that are no UTF-8, in its name": any(
            unicodedata.category(character) in _UNFIT or character in _DIRECTION_MARKS for character in name
        ),
        "has a backslash in its name; pack it with / between folders": "\\" in name,
        "has too long a name": sum(sizes) > limits.name_bytes or max(sizes) > 255,
        "lies too deep": len(parts) > limits.depth + 1,
    }
    return next((issue for issue, is_so in issues.items() if is_so), None)
