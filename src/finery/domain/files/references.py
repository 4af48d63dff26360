"""Resolves the id of an uploaded file, which may stand where a path to a dataset may."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.files import FILE_PREFIX, Purpose
from finery.contracts.permissions import Principal
from finery.db import read_beside_write
from finery.domain.context import DomainContext
from finery.domain.datasets import ResolvedDataset
from finery.domain.datasets.blobs import blob_path
from finery.domain.files.errors import FileNotFound, UnknownFile, WrongPurpose
from finery.domain.files.service import find_row
from finery.models import BlobRow


def resolve_file(
    session: Session, text: str, actor: Principal, context: DomainContext, *, field: str
) -> ResolvedDataset | None:
    """Return the file, or None when `text` is no file's id. Raises UnknownFile, WrongPurpose.

    It is read in a session of its own, as `datasets.resolve_reference` is, and for the same reason.
    """
    if not text.startswith(FILE_PREFIX) or "/" in text:
        return None
    with read_beside_write(session) as reading:
        try:
            row = find_row(reading, text, actor)
        except FileNotFound as error:
            raise UnknownFile(field, text) from error
        if row.purpose != Purpose.FINE_TUNE:
            raise WrongPurpose(field, text, row.purpose)
        blob = reading.scalars(select(BlobRow).where(BlobRow.name == row.blob)).one()
        return ResolvedDataset(
            blob_path(context.home, blob.name), blob.name, blob.sha256, blob.suffix, None, None, file_id=row.id
        )
