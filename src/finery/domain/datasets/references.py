"""Resolves `dataset:<id or name>[@<version>]`, which may stand where a path may, and pins what a run reads."""

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
from finery.db import read_beside_write
from finery.domain.context import DomainContext
from finery.domain.datasets.blobs import blob_path
from finery.domain.datasets.errors import (
    AmbiguousReference,
    DatasetNotFound,
    DatasetRefused,
    ReferenceGone,
    StoredDatasetNotFound,
)
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
    """None, as `version` is, for an uploaded file that belongs to no dataset."""
    version: int | None
    file_id: str | None = None
    """The id of an uploaded file that belongs to no dataset."""

    @property
    def reference(self) -> str | None:
        """The reference with the version, which means the same for ever; None for an uploaded file."""
        if self.dataset_id is None or self.version is None:
            return None
        return reference_to(self.dataset_id, self.version)

    def record(self) -> StoredVersion:
        """Return what the run stores of it, for good."""
        return StoredVersion(dataset=self.dataset_id, version=self.version, sha256=self.sha256)


def resolve_reference(session: Session, text: str, actor: Principal, context: DomainContext) -> ResolvedDataset | None:
    """Return the dataset, or None when `text` is no reference.

    It is read in a session of its own, which ends here: the caller's transaction, and with it SQLite's only write
    lock, should not begin before the data are checked, which takes long. `pin` notices what changes in between. Raises
    StoredDatasetNotFound, VersionNotFound, AmbiguousReference.
    """
    if not text.startswith(REFERENCE):
        return None
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise StoredDatasetNotFound(text.removeprefix(REFERENCE))
    with read_beside_write(session) as reading:
        dataset_id = _find_id(reading, match["name"], actor)
        row, version, blob = find_newest(reading, dataset_id, actor)
        if match["version"] is not None:
            version, blob = find_version(reading, row, int(match["version"]))
        path = blob_path(context.home, blob.name)
        return ResolvedDataset(path, blob.name, blob.sha256, blob.suffix, row.id, version.version)


def pin(session: Session, run_number: int, resolved: ResolvedDataset, *, reference: str, field: str) -> None:
    """Keep what an accepted run reads from being deleted until the run is finished.

    `reference` and `field` are for the message. Raises ReferenceGone when it was deleted meanwhile.
    """
    # The share lock makes a deletion wait for this transaction, and see the pin; one that came first is seen here.
    if resolved.dataset_id is not None:
        kept = select(DatasetRow.id).where(DatasetRow.id == resolved.dataset_id).with_for_update(read=True)
        version = select(DatasetVersionRow.version).where(
            DatasetVersionRow.dataset_id == resolved.dataset_id,
            DatasetVersionRow.version == resolved.version,
            DatasetVersionRow.blob == resolved.blob,
        )
        if session.scalar(kept) is None or session.scalar(version) is None:
            raise ReferenceGone(reference, field=field)
    else:
        # The content may outlive the file: another file may have it, or the next sweep removes it.
        kept = select(FileRow.id).where(FileRow.id == resolved.file_id).with_for_update(read=True)
        if session.scalar(kept) is None:
            raise ReferenceGone(reference, field=field)
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
    """Replace a stored file's name, which says nothing to its user, by their reference in an error about it."""
    try:
        yield
    except (DatasetNotFound, DatasetRefused) as error:
        if not text.startswith((REFERENCE, FILE_PREFIX)):
            raise
        if isinstance(error, DatasetNotFound):
            raise DatasetNotFound(printable(text)) from error
        message = str(error).replace(path.name, printable(text))
        raise DatasetRefused(message, issues=error.issues, total=error.total) from error


def _find_id(session: Session, name: str, actor: Principal) -> str:
    """Find a dataset by its id, else by its name among the actor's own, else among those that others share."""
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
