"""Where in what was sent an error lies."""

from collections.abc import Mapping, Sequence


def path_in(sent: object, location: Sequence[str | int], *, is_missing: bool) -> list[str | int]:
    """pydantic's location of an error without what it puts between: the names of a union's members (`constrained-int`),
    and its mark of a key (`[key]`). What is missing cannot be seen in what was sent; its name is the last.
    """
    path: list[str | int] = []
    for index, part in enumerate(location):
        found = _step(sent, part)
        if found is not None:
            sent = found[0]
        elif index and not (is_missing and index == len(location) - 1):
            continue
        path.append(part)
    return path


def _step(sent: object, part: str | int) -> tuple[object] | None:
    match sent, part:
        case Mapping(), _ if part in sent:
            return (sent[part],)
        case list(), int() if part < len(sent):
            return (sent[part],)
    return None
