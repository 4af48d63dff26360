"""Translates the locations of pydantic's errors into paths in the input."""

from collections.abc import Mapping, Sequence


def path_in(sent: object, location: Sequence[str | int], *, is_missing: bool) -> list[str | int]:
    """Returns pydantic's location of an error without the parts that it inserts: the names of a union's members
    (`constrained-int`) and its mark of a key (`[key]`). A missing field is not in `sent`; its name is the last part.
    """
    path: list[str | int] = []
    for index, part in enumerate(location):
        value = _step(sent, part)
        if value is not None:
            sent = value[0]
        elif index and not (is_missing and index == len(location) - 1):
            continue
        path.append(part)
    return path


def _step(sent: object, part: str | int) -> tuple[object] | None:
    """Returns the value at `part`, in a tuple since it may be None; None if there is none."""
    match sent, part:
        case Mapping(), _ if part in sent:
            return (sent[part],)
        case list(), int() if part < len(sent):
            return (sent[part],)
    return None
