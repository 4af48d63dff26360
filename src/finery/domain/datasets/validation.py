"""Checks and normalises the names and notes of datasets."""

import unicodedata
from pathlib import PurePath

from finery.domain.datasets.errors import InvalidDatasetField
from finery.kit.printable import is_printable

ID_PREFIX = "ds_"
LONGEST_NAME = 200
LONGEST_NOTE = 4000


def checked_name(text: str) -> str:
    """Return the name, normalised. Raises InvalidDatasetField."""
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= LONGEST_NAME or not is_printable(name):
        raise InvalidDatasetField("name", f"must have 1 to {LONGEST_NAME} printable characters")
    if "@" in name or name.startswith(ID_PREFIX):
        raise InvalidDatasetField("name", f"must not hold '@' nor begin with '{ID_PREFIX}', which references need")
    return name


def checked_note(text: str | None) -> str | None:
    """Return the note, or None for an empty one. Raises InvalidDatasetField."""
    if not text:
        return None
    if len(text) > LONGEST_NOTE or not is_printable(text.replace("\n", " ").replace("\t", " ").replace("\r", " ")):
        raise InvalidDatasetField("note", f"must have at most {LONGEST_NOTE:,} printable characters")
    return text


def name_of_file(filename: str) -> str:
    """Return the name of a dataset that was given none: its file's, without the suffix."""
    path = PurePath(filename)
    stem = PurePath(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
    name = unicodedata.normalize("NFC", stem.replace("@", "_").strip())[:LONGEST_NAME].strip()
    return name.removeprefix(ID_PREFIX) or "dataset"
