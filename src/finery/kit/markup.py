"""Writes HTML and SVG in which every text is escaped, unless it was made here."""

import html
import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""What XML knows no way to write."""


class Markup(str):
    """Text that needs no escaping any more."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | int | float | None) -> Markup:
    """Return `<name …>children</name>`.

    Texts are escaped, attributes of the value None are left out. An underscore in an attribute's name stands for a
    hyphen; one at its end is dropped, as in `class_`.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    return Markup("".join(child if isinstance(child, Markup) else escaped(child) for child in children))


def escaped(text: str) -> Markup:
    return Markup(html.escape(_CONTROLS.sub("�", text), quote=True))
