"""Joins an upload's parts into one file, outside of any transaction, since it may be gigabytes."""

import secrets
from collections.abc import Sequence

import anyio

from finery.contracts.files import PartedUpload, UploadStatus
from finery.domain import files
from finery.http.session import Transactions
from finery.http.uploads import PARTIAL


async def complete_upload(
    transactions: Transactions, upload_id: str, part_ids: Sequence[str], md5: str | None
) -> PartedUpload:
    """Raises UploadNotFound, UploadClosed, PartsDiffer."""
    return await anyio.to_thread.run_sync(_complete, transactions, upload_id, part_ids, md5)


def _complete(transactions: Transactions, upload_id: str, part_ids: Sequence[str], md5: str | None) -> PartedUpload:
    services, home = transactions.services, transactions.services.context.home
    with services.database.read() as session:
        upload = files.check_parts(session, upload_id, part_ids, transactions.user)
    if upload.status is UploadStatus.COMPLETED:
        return upload
    home.blobs.mkdir(parents=True, exist_ok=True)
    target = home.blobs / f"{PARTIAL}-{secrets.token_hex(8)}"
    try:
        joined = files.join_parts(upload, part_ids, home, target)
        with transactions.begin() as session:
            return files.complete(session, upload_id, joined, md5, home, transactions.user)
    finally:
        target.unlink(missing_ok=True)
