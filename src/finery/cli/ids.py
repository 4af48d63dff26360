"""Finds what a command names by the beginning of its id."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finery.client import FineryClient


def run_id_of(client: "FineryClient", text: str) -> str:
    """Returns `text` where it is a run's id, else the own id of the only run whose id begins so."""
    run = client.find_run(text)
    return text if text in (run.id, run.uid) else run.uid


def id_of(kind: str, text: str, ids: Iterable[str]) -> str:
    """Returns `text` where it is one of the ids, else the only one that begins so, else `text`.

    Raises FineryError where several begin so; `kind` says of what they are the ids: `webhook`.
    """
    from finery.client.errors import ambiguous

    known = list(ids)
    found = [text] if text in known else [each for each in known if text and each.startswith(text)]
    if len(found) > 1:
        raise ambiguous(kind, text, found)
    return found[0] if found else text
