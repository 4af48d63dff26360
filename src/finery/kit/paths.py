"""Resolves paths from requests to paths on disk, and refuses those outside of the home and its allowed roots."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from finery.kit.translatable import Translatable

LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Linux's limits in bytes."""


class PathRefused(ValueError):
    """A request may not name this path; the message is for the user."""


@dataclass(frozen=True)
class PathResolver:
    """Resolves request paths under `home`; absolute ones must lie in `home` or one of `roots`.

    Symbolic links are followed before the check, so that none leads outside. Requests may not name `private` paths (a
    folder, or a database file with its journals).
    """

    home: Path
    roots: Sequence[Path] = field(default=())
    private: Sequence[Path] = field(default=())

    def resolve(self, text: str) -> Path:
        """Returns the absolute path that `text` names; it need not exist. Raises PathRefused."""
        if not text or "\0" in text or text.startswith("~") or len(text) > 4096:
            raise PathRefused(
                Translatable("{text!r} is no usable path: give one relative to the server's home", text=text[:80])
            )
        try:
            path = (self.home / text).resolve()
            encoded = os.fsencode(path)
        except (OSError, RuntimeError, UnicodeEncodeError) as error:
            raise PathRefused(
                Translatable("{text!r} cannot be resolved: {error}", text=text[:80], error=error)
            ) from error
        if len(encoded) > LONGEST_PATH or any(len(name) > LONGEST_NAME for name in encoded.split(b"/")):
            raise PathRefused(
                Translatable(
                    "{text!r} is too long: {longest_name} bytes a name, {longest_path} bytes in all",
                    text=text[:80],
                    longest_name=LONGEST_NAME,
                    longest_path=LONGEST_PATH,
                )
            )
        if not any(path.is_relative_to(root) for root in self._resolved_roots):
            raise PathRefused(
                Translatable("{text!r} lies outside the server's home and its allowed roots", text=text[:80])
            )
        if any(_belongs_to(path, private) for private in self._resolved_private):
            raise PathRefused(Translatable("{text!r} is the server's own; name another file or folder", text=text[:80]))
        return path

    def relative(self, path: Path) -> str:
        """Returns `path` as a request would name it: relative to the home if it lies there."""
        resolved, home = path.resolve(), self._resolved_roots[0]
        return str(resolved.relative_to(home)) if resolved.is_relative_to(home) else str(resolved)

    def shown(self, text: str) -> str:
        """Returns a path or a model's name for an answer, which must not reveal where the home lies: a path in the home
        relative to it, anything else unchanged.
        """
        path = Path(text)
        return self.relative(path) if path.is_absolute() else text

    # Resolved once, since every request needs them, and resolving takes a system call for each part of a path. If the
    # home or a root becomes a link, that counts from the next start on.
    @cached_property
    def _resolved_roots(self) -> list[Path]:
        return [root.resolve() for root in (self.home, *self.roots)]

    @cached_property
    def _resolved_private(self) -> list[Path]:
        return [private.resolve() for private in self.private]


def _belongs_to(path: Path, private: Path) -> bool:
    journals = {f"{private.name}{ending}" for ending in ("-wal", "-shm", "-journal")}
    return path.is_relative_to(private) or (path.parent == private.parent and path.name in journals)
