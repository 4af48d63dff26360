"""Reads configuration files: a strict subset of YAML 1.2's core schema, or JSON.

Tags, merge keys and duplicate keys are refused; `1e-5` is a number, `no` is text, a date stays text. Anchors may be
used, but their expansion is bounded, so that a few lines cannot grow to gigabytes.
"""

import json
import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Protocol

import yaml
from yaml.events import AliasEvent, CollectionStartEvent, NodeEvent, ScalarEvent
from yaml.nodes import MappingNode, Node, ScalarNode

from finery.kit.json_keys import KeyTwice, unique_keys

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_VALUES = 20_000


class ConfigRefused(ValueError):
    """The file is no valid configuration; the message names the file, the line and the remedy."""


def read_config(path: Path) -> dict[str, object]:
    """Reads the settings in a `.json` file, or in a YAML file of any other name. Raises ConfigRefused."""
    text = _read_text(path)
    try:
        value = _parse_json(text) if path.suffix == ".json" else _parse_yaml(text)
        _check_size(value)
    except _Refused as error:
        raise ConfigRefused(f"{path}: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigRefused(f"{path}: the file must hold settings, one `key: value` a line")
    return value


class _Refused(ValueError):
    pass


class _Position(Protocol):
    """A mark of PyYAML, of either of its parsers."""

    line: int


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigRefused(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ConfigRefused(f"{path}: larger than {MAX_BYTES} bytes, which no configuration needs")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigRefused(f"{path}: is not UTF-8 at byte {error.start}: save it as UTF-8") from error


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise _Refused(f"line {error.lineno}: {error.msg}") from error
    except KeyTwice as error:
        raise _Refused(str(error)) from error
    except RecursionError as error:
        raise _Refused("is nested too deeply") from error


def _refuse_constant(constant: str) -> object:
    raise _Refused(f"{constant} is not a number that a setting can hold")


def _parse_yaml(text: str) -> object:
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise _Refused(f"{_at(mark)}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise _Refused(str(error).splitlines()[0]) from error


def _at(mark: _Position | None) -> str:
    return f"line {mark.line + 1}: " if mark is not None else ""


class _Loader(yaml.SafeLoader):
    """Refuses while it composes nodes, so that no value is built from refused input."""

    # PyYAML's own resolvers implement YAML 1.1; those of the core schema are added below the class.
    yaml_implicit_resolvers = {}

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: object = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise _Refused(f"{_at(event.start_mark)}the tag {event.tag} is not allowed here: write the plain value")
        if self.depth >= MAX_DEPTH and not isinstance(event, AliasEvent) and isinstance(event, NodeEvent):
            raise _Refused(f"{_at(event.start_mark)}nested more than {MAX_DEPTH} levels deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _Refused(f"{_at(key.start_mark)}a key must be a plain word")
            if key.value == "<<":
                raise _Refused(f"{_at(key.start_mark)}merge keys (<<) are not allowed: write the settings out")
            if key.value in keys:
                raise _Refused(f"{_at(key.start_mark)}the key {key.value!r} is there twice")
            keys.add(key.value)
        return super().construct_mapping(node, deep)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


_resolve("null", r"~|null|Null|NULL|", "~nN")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
_resolve("bool", r"true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789")
_resolve("float", r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)", "-+.0123456789")


def _check_size(value: object) -> None:
    """Walks the value with its aliases expanded, and raises _Refused as soon as it is too large."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    count = 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise _Refused("holds too much: a configuration has a few dozen settings")
        if isinstance(item, float) and not math.isfinite(item):
            raise _Refused("a number is too large to be one")
        if isinstance(item, dict):
            waiting.extend((each, depth + 1) for each in item.values())
        elif isinstance(item, list):
            waiting.extend((each, depth + 1) for each in item)
