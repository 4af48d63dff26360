"""Stored files with explicit defaults."""

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import Dataset, DatasetVersion
from finery.db import Database
from finery.domain import datasets
from finery.domain.datasets import NewFile
from tests.domain.principals import ANN

ROW = '{"prompt": "a", "completion": "b"}\n'


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def new_file(home: Path, content: bytes | str = ROW, *, filename: str = "rows.jsonl") -> NewFile:
    """As an upload leaves it."""
    data = content.encode() if isinstance(content, str) else content
    folder = HomeDirectory(home).blobs
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".partial-{secrets.token_hex(4)}"
    path.write_bytes(data)
    return NewFile(path, filename, len(data), hashlib.sha256(data).hexdigest())


def create(
    database: Database, home: Path, content: bytes | str = ROW, *, actor: Principal = ANN, filename: str = "rows.jsonl",
    **options: Any,
) -> Dataset:  # fmt: skip
    file = new_file(home, content, filename=filename)
    with database.write() as session:
        return datasets.create(session, file, actor=actor, home=HomeDirectory(home), **options)


def add(
    database: Database, home: Path, dataset: Dataset, content: bytes | str, *, actor: Principal = ANN
) -> DatasetVersion:
    file = new_file(home, content)
    with database.write() as session:
        return datasets.add_version(session, dataset.id, file, actor=actor, home=HomeDirectory(home))


def read(database: Database, home: Path, dataset: Dataset, version: int | None = None) -> bytes:
    with database.read() as session:
        found = datasets.locate(session, dataset.id, version, actor=ANN, home=HomeDirectory(home))
    return found.path.read_bytes()


def sweep(database: Database, home: Path) -> list[str]:
    """As the cleaning loop does."""
    with database.write() as session:
        names = datasets.remove_unused(session)
    datasets.remove_files(HomeDirectory(home), names)
    return names


def files(home: Path) -> list[Path]:
    return sorted(HomeDirectory(home).blobs.glob("??/*"))
