"""Renders the templates in graders: `{{ item.answer }}`, `{{ sample.output_json.steps[0]["my key"] }}`.

A template has paths only and computes nothing. A rendered value is never read as a template again.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

JsonObject = dict[str, Any]
Path = tuple[str | int, ...]
"""The namespace (`item` or `sample`), then keys and indexes."""

STEP = re.compile(r"""\.([\w-]+)|\[(\d{1,6})\]|\["([^"\]]+)"\]|\['([^'\]]+)'\]""")
LONGEST_PATH = 32
MOST_PLACES = 1000
"""Maximum number of placeholders in one template."""
SAMPLE_FIELDS = ("output_text", "output_json", "choices")
NOT_SAMPLED = ("output_tools", "output_audio")
"""Fields of OpenAI's samples that are always empty here, since a sample is text."""


class FieldMissing(LookupError):
    """The item or the sample has no value at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path_text(path)} is missing")
        self.path = path


def sample_of(text: str) -> JsonObject:
    """Returns the `sample` namespace of an answer; it has `output_json` only if the whole answer is JSON."""
    message = {"role": "assistant", "content": text}
    sample: JsonObject = {"output_text": text, "choices": [{"index": 0, "message": message}]}
    try:
        sample["output_json"] = json.loads(text)
    except (ValueError, RecursionError):
        return sample
    return sample


def check_template(text: str) -> str:
    """Returns `text`. Raises ValueError that names a placeholder which is no path."""
    if text.count("{{") > MOST_PLACES:
        raise ValueError(f"a template has at most {MOST_PLACES} places")
    for path in paths_of(text):
        if path[0] == "sample":
            _check_sample_path(path)
    return text


def paths_of(text: str) -> list[Path]:
    """Returns the paths in a template. Raises ValueError."""
    return [part for part in _parts(text) if isinstance(part, tuple)]


def item_paths(texts: list[str]) -> list[Path]:
    """Returns the paths into the item in some templates, without duplicates."""
    found = (path for text in texts for path in paths_of(text) if path[0] == "item")
    return list(dict.fromkeys(found))


def render(text: str, spaces: JsonObject) -> str:
    """Renders a template. `spaces`: item and sample. Values that are not text become JSON. Raises FieldMissing."""
    return "".join(part if isinstance(part, str) else _as_text(look_up(part, spaces)) for part in _parts(text))


def look_up(path: Path, spaces: JsonObject) -> object:
    """Returns the value at `path`. Raises FieldMissing."""
    value: object = spaces
    for step in path:
        match value, step:
            case dict(), str() if step in value:
                value = value[step]
            case list(), int() if step < len(value):
                value = value[step]
            case _:
                raise FieldMissing(path)
    return value


def path_text(path: Path) -> str:
    return str(path[0]) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[1:])


def _parts(text: str) -> Iterator[str | Path]:
    """Yields texts and paths in order. It takes one pass, so that hostile texts of many braces cost no more."""
    position = 0
    while (opened := text.find("{{", position)) != -1:
        closed = text.find("}}", opened + 2)
        if closed == -1:
            raise ValueError("a template's {{ is not closed")
        yield text[position:opened]
        yield _path(text[opened + 2 : closed].strip())
        position = closed + 2
    yield text[position:]


def _path(text: str) -> Path:
    namespace = re.match(r"\w*", text)
    assert namespace is not None, "the pattern also matches nothing"
    if namespace[0] not in ("item", "sample"):
        raise ValueError(f"{{{{ {text[:80]} }}}} must begin with item. or sample.")
    path: list[str | int] = [namespace[0]]
    position = namespace.end()
    while step := STEP.match(text, position):
        index = step[2]
        path.append(int(index) if index is not None else step[1] or step[3] or step[4])
        position = step.end()
    if position != len(text) or not 2 <= len(path) <= LONGEST_PATH:
        raise ValueError(f"{{{{ {text[:80]} }}}} is no path; write it as {{{{ item.field }}}}, without any code")
    return tuple(path)


def _check_sample_path(path: Path) -> None:
    if path[1] in NOT_SAMPLED:
        raise ValueError(f"sample.{path[1]} is not supported: a sample is text; use sample.output_text")
    if path[1] not in SAMPLE_FIELDS:
        raise ValueError(f"sample has no field {str(path[1])[:80]!r}; it has {', '.join(SAMPLE_FIELDS)}")


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
