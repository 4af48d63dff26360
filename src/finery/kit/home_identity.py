"""The identity of a home directory: an id that is bound to its inode, so that a copy of the home gets another one."""

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
    """The place of a directory on disk, which survives a move or another mount point, but not a copy."""

    inode: int
    """The directory's inode. Unlike a file's, no hard link can share it."""
    filesystem: int
    """Compared within one boot only, since many file systems get another number at each mount."""
    boot_id: str

    @classmethod
    def of(cls, folder: Path) -> "_Place":
        status = folder.stat()
        # A device of major number 0 is assigned at the mount (btrfs, NFS, overlays); `f_fsid` outlives that, and
        # differs between a volume and its snapshot, whose inodes are equal.
        is_anonymous = os.major(status.st_dev) == 0
        return cls(status.st_ino, os.statvfs(folder).f_fsid if is_anonymous else status.st_dev, boot_id())

    def is_same(self, other: "_Place") -> bool:
        if self.inode != other.inode:
            return False
        return self.boot_id != other.boot_id or self.filesystem == other.filesystem


def identify_home(state: Path) -> str:
    """Returns the home's id from `identity.json` in its folder `state`; generates one if there is none, and for a copy.

    The first caller must hold the home's lock. Raises OSError.
    """
    state.mkdir(parents=True, exist_ok=True)
    place, file = _Place.of(state), state / FILE
    home_id, before = _parse(read_json(file))
    if before == place and home_id is not None:
        return home_id
    if home_id is None or before is None or not before.is_same(place):
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
