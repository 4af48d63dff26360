"""The one place that turns a path from a request into a path on disk."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

LONGEST_PATH, LONGEST_NAME = 4095, 255
"""In bytes, as Linux counts them."""


class PathRefused(ValueError):
    """A path that a request may not name; the message is for the user."""


@dataclass(frozen=True)
class PathResolver:
    """Resolves request paths under `home`; absolute ones must lie in `home` or one of `roots`.

    Symbolic links are followed before the check, so that a link cannot lead outside. What is `private` (a folder, or a
    database file with its journals) no request may name.
    """

    home: Path
    roots: Sequence[Path] = field(default=())
    private: Sequence[Path] = field(default=())

    def resolve(self, text: str) -> Path:
        """The absolute path that `text` names; it need not exist. Raises PathRefused."""
        if not text or "\0" in text or text.startswith("~") or len(text) > 4096:
            raise PathRefused(f"{text[:80]!r} is no usable path: give one relative to the server's home")
        try:
            path = (self.home / text).resolve()
            encoded = os.fsencode(path)
        except (OSError, RuntimeError, UnicodeEncodeError) as error:
            raise PathRefused(f"{text[:80]!r} cannot be resolved: {error}") from error
        if len(encoded) > LONGEST_PATH or any(len(name) > LONGEST_NAME for name in encoded.split(b"/")):
            raise PathRefused(f"{text[:80]!r} is too long: {LONGEST_NAME} bytes a name, {LONGEST_PATH} bytes in all")
        if not any(path.is_relative_to(root) for root in self._places):
            raise PathRefused(f"{text[:80]!r} lies outside the server's home and its allowed roots")
        if any(_belongs_to(path, kept) for kept in self._kept):
            raise PathRefused(f"{text[:80]!r} is the server's own; name another file or folder")
        return path

    def relative(self, path: Path) -> str:
        """`path` as a request would name it: relative to home where it lies there."""
        resolved, home = path.resolve(), self._places[0]
        return str(resolved.relative_to(home)) if resolved.is_relative_to(home) else str(resolved)

    def told(self, text: str) -> str:
        """`text`, which may be a path or a model's name on a hub, as those are told it who may not know where the
        server's home lies: a path in there relative to it, anything else as it is.
        """
        path = Path(text)
        return self.relative(path) if path.is_absolute() else text

    # Followed once: each request asks several times, and each look at a link is a call of the system for every part of
    # the path. A home or root that becomes a link to elsewhere is so at the next start.
    @cached_property
    def _places(self) -> list[Path]:
        return [place.resolve() for place in (self.home, *self.roots)]

    @cached_property
    def _kept(self) -> list[Path]:
        return [kept.resolve() for kept in self.private]


def _belongs_to(path: Path, kept: Path) -> bool:
    journals = {f"{kept.name}{ending}" for ending in ("-wal", "-shm", "-journal")}
    return path.is_relative_to(kept) or (path.parent == kept.parent and path.name in journals)
