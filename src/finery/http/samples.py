"""Copies a sample to where an upload would lie, so that it is stored as one."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import Depends, Path

from finery.domain.datasets.samples import content_of_sample, find_sample
from finery.http.services import CurrentContext
from finery.http.uploads import PARTIAL, Upload

SampleName = Annotated[str, Path(min_length=1, max_length=64)]


async def copied_sample(name: SampleName, context: CurrentContext) -> AsyncIterator[Upload]:
    """Yields the copy, on the blobs' file system, so that storing it is a rename. Removes it unless it was stored."""
    upload = await asyncio.to_thread(_copy, name, context.home.blobs)
    try:
        yield upload
    finally:
        upload.discard()


# Function scope, declared before the session: the file goes after the commit and before the answer.
CopiedSample = Annotated[Upload, Depends(copied_sample, scope="function")]


def _copy(name: str, folder: FilePath) -> Upload:
    sample = find_sample(name)
    content = content_of_sample(sample)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PARTIAL}-{secrets.token_hex(8)}"
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Upload(path, sample.filename, len(content), hashlib.sha256(content).hexdigest())
