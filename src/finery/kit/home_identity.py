"""Which home a directory is: a name that stays with its place on the disk, so that a copy of it is another home."""

import contextlib
import logging
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finery.kit.files import read_json, write_json
from finery.kit.processes import boot_id

log = logging.getLogger(__name__)

FILE = "identity.json"


@dataclass(frozen=True)
class _Place:
    """Where a directory lies. Moved or mounted elsewhere, it keeps this; whatever copies it makes another."""

    inode: int
    """Of the directory: unlike a file's, no hard link can share it."""
    filesystem: int
    """Compared within one boot only: many kinds of file systems get another number at each mount."""
    boot_id: str

    @classmethod
    def of(cls, folder: Path) -> "_Place":
        found = folder.stat()
        # A device of major number 0 was made up at the mount (btrfs, NFS, overlays); `f_fsid` outlives that, and
        # differs between a volume and its snapshot, whose inodes are equal.
        is_made_up = os.major(found.st_dev) == 0
        return cls(found.st_ino, os.statvfs(folder).f_fsid if is_made_up else found.st_dev, boot_id())

    def is_that_of(self, other: "_Place") -> bool:
        if self.inode != other.inode:
            return False
        return self.boot_id != other.boot_id or self.filesystem == other.filesystem


def identify_home(state: Path) -> str:
    """The home's id, from `identity.json` in its folder `state`; drawn anew where there is none, and for a copy.

    Whoever calls it first holds the home's lock. Raises OSError.
    """
    state.mkdir(parents=True, exist_ok=True)
    place, file = _Place.of(state), state / FILE
    home_id, before = _parse(read_json(file))
    if before == place and home_id is not None:
        return home_id
    if home_id is None or before is None or not before.is_that_of(place):
        if home_id is not None:
            log.warning("the home %s is a copy of another, and gets an identity of its own", state.parent)
        home_id = secrets.token_hex(16)
    write_json(file, {"id": home_id, "place": asdict(place)})
    return home_id


def _parse(value: Any) -> tuple[str | None, _Place | None]:
    with contextlib.suppress(KeyError, TypeError, ValueError):
        place = value["place"]
        return str(value["id"]), _Place(int(place["inode"]), int(place["filesystem"]), str(place["boot_id"]))
    return None, None
