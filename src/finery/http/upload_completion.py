"""Joins an upload's parts into one file, outside of any transaction, since it may be gigabytes."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from finery.contracts.files import PartedUpload, UploadStatus
from finery.contracts.layout import HomeDirectory
from finery.contracts.stored_datasets import Dataset
from finery.domain import files
from finery.http.session import Transactions
from finery.http.uploads import PARTIAL


async def complete_upload(
    transactions: Transactions, upload_id: str, part_ids: Sequence[str], md5: str | None
) -> PartedUpload:
    """Raises UploadNotFound, UploadClosed, PartsDiffer."""
    return await anyio.to_thread.run_sync(_complete, transactions, upload_id, part_ids, md5)


async def complete_dataset_upload(transactions: Transactions, upload_id: str, fields: dict[str, Any]) -> Dataset:
    """Raises UploadNotFound, and what dataset_uploads.whole_parts and dataset_uploads.complete raise."""
    return await anyio.to_thread.run_sync(_complete_dataset, transactions, upload_id, fields)


def _complete(transactions: Transactions, upload_id: str, part_ids: Sequence[str], md5: str | None) -> PartedUpload:
    services, home = transactions.services, transactions.services.context.home
    with services.database.read() as session:
        upload = files.check_parts(session, upload_id, part_ids, transactions.user)
    if upload.status is UploadStatus.COMPLETED:
        return upload
    with _whole_file(home) as target:
        joined = files.join_parts(upload.filename, part_ids, home, target)
        with transactions.begin() as session:
            return files.complete(session, upload_id, joined, md5, home, transactions.user)


def _complete_dataset(transactions: Transactions, upload_id: str, fields: dict[str, Any]) -> Dataset:
    services, home, user = transactions.services, transactions.services.context.home, transactions.user
    with services.database.read() as session:
        upload, part_ids = files.dataset_uploads.whole_parts(session, upload_id, user)
    with _whole_file(home) as target:
        joined = files.join_parts(upload.filename, part_ids, home, target) if part_ids else None
        with transactions.begin() as session:
            return files.dataset_uploads.complete(session, upload_id, joined, home, user, **fields)


@contextmanager
def _whole_file(home: HomeDirectory) -> Iterator[Path]:
    """Yields where to write the file; what still lies there at the end is removed."""
    home.blobs.mkdir(parents=True, exist_ok=True)
    target = home.blobs / f"{PARTIAL}-{secrets.token_hex(8)}"
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)
