"""`dataset:<id or name>[@<version>]`: a stored dataset where a path may stand, and what a run holds of it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.files import FILE_PREFIX
from finery.contracts.permissions import Principal
from finery.contracts.resolved_run import StoredVersion
from finery.contracts.stored_datasets import REFERENCE
from finery.db.read_beside_write import read_beside_write
from finery.domain.context import DomainContext
from finery.domain.datasets.blobs import blob_path
from finery.domain.datasets.errors import AmbiguousReference, DatasetRefused, ReferenceGone, StoredDatasetNotFound
from finery.domain.datasets.queries import find_newest, find_version, owned_by, reference_to, visible_to
from finery.kit.printable import printable
from finery.models import DatasetPinRow, DatasetRow, DatasetVersionRow, FileRow

IDS_SHOWN = 5
_REFERENCE = re.compile(rf"{REFERENCE}(?P<name>[^@]+)(?:@(?P<version>[0-9]{{1,9}}))?")


@dataclass(frozen=True)
class ResolvedDataset:
    path: Path
    blob: str
    sha256: str
    suffix: str
    dataset_id: str | None
    """None, like its version, for a file that belongs to no dataset."""
    version: int | None
    file_id: str | None = None
    """Of an uploaded file that belongs to no dataset."""

    @property
    def reference(self) -> str | None:
        """With the version, so that it means the same for ever."""
        if self.dataset_id is None or self.version is None:
            return None
        return reference_to(self.dataset_id, self.version)

    def record(self) -> StoredVersion:
        """What is kept of it on the run, for good."""
        return StoredVersion(dataset=self.dataset_id, version=self.version, sha256=self.sha256)


def resolve_reference(session: Session, text: str, actor: Principal, context: DomainContext) -> ResolvedDataset | None:
    """None when `text` is no reference. Raises StoredDatasetNotFound, VersionNotFound, AmbiguousReference.

    It is read in a session of its own, which ends here: the caller's transaction, and with it SQLite's only write
    lock, is not to begin before a long look at the data. What changes in between, `pin` finds.
    """
    if not text.startswith(REFERENCE):
        return None
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise StoredDatasetNotFound(text.removeprefix(REFERENCE))
    with read_beside_write(session) as reading:
        dataset_id = _find_id(reading, found["name"], actor)
        row, version, blob = find_newest(reading, dataset_id, actor)
        if found["version"] is not None:
            version, blob = find_version(reading, row, int(found["version"]))
        path = blob_path(context.home, blob.name)
        return ResolvedDataset(path, blob.name, blob.sha256, blob.suffix, row.id, version.version)


def pin(session: Session, run_number: int, resolved: ResolvedDataset, *, asked_for: str, field: str) -> None:
    """Hold what an accepted run reads, until the run is finished. Raises ReferenceGone when it was deleted meanwhile.

    The share lock makes a deletion wait for this transaction, and see the pin; a deletion that came first is seen here.
    """
    if resolved.dataset_id is not None:
        kept = select(DatasetRow.id).where(DatasetRow.id == resolved.dataset_id).with_for_update(read=True)
        version = select(DatasetVersionRow.version).where(
            DatasetVersionRow.dataset_id == resolved.dataset_id,
            DatasetVersionRow.version == resolved.version,
            DatasetVersionRow.blob == resolved.blob,
        )
        if session.scalar(kept) is None or session.scalar(version) is None:
            raise ReferenceGone(asked_for, field=field)
    else:
        # A file's content may outlive it: as another file's, or until it is cleared away.
        kept = select(FileRow.id).where(FileRow.id == resolved.file_id).with_for_update(read=True)
        if session.scalar(kept) is None:
            raise ReferenceGone(asked_for, field=field)
    session.add(
        DatasetPinRow(
            run_number=run_number,
            field=field,
            blob=resolved.blob,
            dataset_id=resolved.dataset_id,
            version=resolved.version,
        )
    )
    session.flush()


@contextmanager
def named_by_reference(text: str, path: Path) -> Iterator[None]:
    """A stored file's name says nothing to its user: what is wrong with it is said of what they named."""
    try:
        yield
    except DatasetRefused as error:
        if not text.startswith((REFERENCE, FILE_PREFIX)):
            raise
        message = str(error).replace(path.name, printable(text))
        raise DatasetRefused(message, issues=error.issues, total=error.total) from error


def _find_id(session: Session, name: str, actor: Principal) -> str:
    """An id, else the name of one's own dataset, else that of one that others share."""
    by_id = select(DatasetRow.id).where(DatasetRow.id == name, visible_to(actor))
    own = select(DatasetRow.id).where(DatasetRow.name == name, owned_by(actor), visible_to(actor))
    others = select(DatasetRow.id).where(DatasetRow.name == name, visible_to(actor)).order_by(DatasetRow.number)
    for query in (by_id, own, others.limit(IDS_SHOWN)):
        ids = session.scalars(query).all()
        if len(ids) > 1:
            raise AmbiguousReference(name, ids)
        if ids:
            return ids[0]
    raise StoredDatasetNotFound(name)
