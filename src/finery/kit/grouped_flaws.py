"""Tells a flaw that many lines of a file have once, with these lines."""

from collections.abc import Iterable, Sequence


def group_flaws(flaws: Iterable[tuple[int | None, str]]) -> list[str]:
    """Returns each text once, in the order of its first line, with the lines: `lines 3, 7 and 12 more: no answer`.

    A flaw is a line, or None where it lies in none, and a text.
    """
    lines_of: dict[str, list[int]] = {}
    for line, text in flaws:
        lines_of.setdefault(text, []).extend([] if line is None else [line])
    return [f"{name_lines(lines)}: {text}" if lines else text for text, lines in lines_of.items()]


def name_lines(lines: Sequence[int]) -> str:
    """Returns `line 3`, `lines 3 and 7`, or `lines 3, 7 and 12 more`; there is at least one line."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    first, second, *more = lines
    if not more:
        return f"lines {first} and {second}"
    return f"lines {first}, {second} and {more[0] if len(more) == 1 else f'{len(more)} more'}"
