"""Finds a dataset's file, directly or by a LLaMA-Factory dataset_info.json entry, and renames each row's columns."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from finery.contracts.base_models import StrictModel
from finery.contracts.datasets.message_reader import RowRefused, json_type_of
from finery.contracts.datasets.messages import JsonObject
from finery.kit.field_errors import sentence_of
from finery.kit.files import NotRegular, open_regular

INFO_NAME = "dataset_info.json"
MAX_INFO_BYTES = 16 * 2**20


class InfoRefused(ValueError):
    """A dataset_info.json or its entry cannot be used; the message is for the user."""


class Columns(StrictModel):
    """The file's names of columns. `history` and the fields after it have no default name."""

    prompt: str | None = None
    query: str | None = None
    response: str | None = None
    history: str | None = None
    messages: str | None = None
    system: str | None = None
    tools: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    kto_tag: str | None = None


class Tags(StrictModel):
    role_tag: str = "from"
    content_tag: str = "value"
    user_tag: str = "human"
    assistant_tag: str = "gpt"
    observation_tag: str = "observation"
    function_tag: str = "function_call"
    system_tag: str = "system"


class Entry(StrictModel):
    file_name: str
    formatting: Literal["alpaca", "sharegpt"] = "alpaca"
    ranking: bool = False
    split: Literal["train"] = "train"
    columns: Columns | None = None
    tags: Tags = Tags()


@dataclass(frozen=True)
class Source:
    """A data file, and the entry that renames its columns."""

    file: Path
    entry: Entry | None = None

    def normalise(self, row: JsonObject) -> JsonObject:
        """Returns the row under the formats' column names. Raises RowRefused with the file's own names."""
        return row if self.entry is None else apply_entry(self.entry, row)

    def field(self, field: str) -> str:
        """Returns the file's own name of a field of a normalised row."""
        return field if self.entry is None else own_name(self.entry, field)


def open_source(path: Path, entry_name: str | None = None) -> Source:
    """Finds the data file. `path`: a data file, a dataset_info.json, or its folder. Raises InfoRefused."""
    if path.is_dir():
        return resolve_entry(path, entry_name)
    if path.name == INFO_NAME:
        return resolve_entry(path.parent, entry_name)
    if entry_name is not None:
        raise InfoRefused(f"an entry is named, but the path is no folder with a {INFO_NAME}")
    return Source(path)


def resolve_entry(folder: Path, name: str | None) -> Source:
    """Finds an entry's file; without a name, the only entry's. Raises InfoRefused."""
    entries = _read_info(folder / INFO_NAME)
    if name is None and len(entries) == 1:
        name = next(iter(entries))
    if name is None or name not in entries:
        known = ", ".join(sorted(entries)[:20])
        wrong = "name the entry to use" if name is None else "no such entry"
        raise InfoRefused(f"{INFO_NAME}: {wrong}; it has {known or 'none'}")
    entry = _read_entry(name, entries[name])
    return Source(_file_of(folder, name, entry), entry)


def apply_entry(entry: Entry, row: JsonObject) -> JsonObject:
    named = {key: row.get(column) for key, column in _columns(entry).items()}
    missing = [key for key in _needed(entry) if named[key] is None]
    if missing:
        column = _columns(entry)[missing[0]]
        raise RowRefused(column, f"missing; {INFO_NAME} names it as {missing[0]}")
    if entry.formatting == "sharegpt":
        return _sharegpt_row(entry.tags, named)
    if "response" not in named and "chosen" not in named:
        return {"text": named["prompt"]}
    return {_ALPACA_KEYS.get(key, key): value for key, value in named.items()}


def own_name(entry: Entry, field: str) -> str:
    head, rest = re.fullmatch(r"([^.\[]*)(.*)", field, re.DOTALL).groups()  # type: ignore[union-attr]
    key = _KEYS_BY_STANDARD.get(head, head)
    if entry.formatting == "sharegpt":
        for standard, own in ((".from", entry.tags.role_tag), (".value", entry.tags.content_tag)):
            rest = f"{rest.removesuffix(standard)}.{own}" if rest.endswith(standard) else rest
    return _columns(entry).get(key, head) + rest


_ALPACA_KEYS = {"prompt": "instruction", "query": "input", "response": "output"}
_SHAREGPT_KEYS = {"messages": "conversations"}
_KEYS_BY_STANDARD = {
    "instruction": "prompt",
    "text": "prompt",
    "input": "query",
    "output": "response",
    "conversations": "messages",
}
_NEEDS_NETWORK = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
_DEFAULT_COLUMNS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
}


def _columns(entry: Entry) -> dict[str, str]:
    """Returns the file's column names. As in LLaMA-Factory, defaults hold only if no columns are given at all."""
    if entry.columns is None:
        columns = dict(_DEFAULT_COLUMNS[entry.formatting])
    else:
        columns = entry.columns.model_dump(exclude_none=True)
    if entry.formatting == "sharegpt":
        columns.setdefault("messages", "conversations")
    else:
        columns.setdefault("prompt", "instruction")
    if not entry.ranking:
        return {key: column for key, column in columns.items() if key not in ("chosen", "rejected")}
    return {"chosen": "chosen", "rejected": "rejected"} | {k: c for k, c in columns.items() if k != "response"}


def _needed(entry: Entry) -> tuple[str, ...]:
    first = ("messages",) if entry.formatting == "sharegpt" else ("prompt",)
    if entry.ranking:
        return (*first, "chosen", "rejected")
    columns = _columns(entry)
    return (*first, *(key for key in ("response", "kto_tag") if key in columns))


def _sharegpt_row(tags: Tags, named: JsonObject) -> JsonObject:
    row = {_SHAREGPT_KEYS.get(key, key): value for key, value in named.items()}
    if isinstance(row["conversations"], list):
        row["conversations"] = [_turn(tags, turn) for turn in row["conversations"]]
    for key in ("chosen", "rejected"):
        if key in row:
            row[key] = _turn(tags, row[key])
    return row


def _turn(tags: Tags, turn: Any) -> Any:
    if not isinstance(turn, dict) or tags.role_tag not in turn:
        return turn
    role = turn[tags.role_tag]
    rest = {key: value for key, value in turn.items() if key not in (tags.role_tag, tags.content_tag)}
    return rest | {
        "from": _roles(tags).get(role, role) if isinstance(role, str) else role,
        "value": turn.get(tags.content_tag),
    }


def _roles(tags: Tags) -> dict[str, str]:
    return {
        tags.user_tag: "human",
        tags.assistant_tag: "gpt",
        tags.observation_tag: "observation",
        tags.function_tag: "function_call",
        tags.system_tag: "system",
    }


def _read_info(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            data = file.read(MAX_INFO_BYTES + 1)
        if len(data) > MAX_INFO_BYTES:
            raise InfoRefused(f"{INFO_NAME} is larger than {MAX_INFO_BYTES // 2**20} MiB")
        entries = json.loads(data.decode("utf-8-sig"))
    except NotRegular as error:
        raise InfoRefused(f"{error.strerror}; put a file in its place") from error
    except FileNotFoundError as error:
        raise InfoRefused(f"the folder has no {INFO_NAME}; name a data file in it instead") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InfoRefused):
            raise
        raise InfoRefused(f"{INFO_NAME} is no valid JSON") from error
    if not isinstance(entries, dict):
        raise InfoRefused(f"{INFO_NAME} must hold an object, not {json_type_of(entries)}")
    return entries


def _read_entry(name: str, raw: object) -> Entry:
    if not isinstance(raw, dict):
        raise InfoRefused(f"{INFO_NAME}: {name} must be an object, not {json_type_of(raw)}")
    if remote := next((key for key in _NEEDS_NETWORK if key in raw), None):
        raise InfoRefused(f"{INFO_NAME}: {name}.{remote} names data elsewhere; download it and give its file_name")
    try:
        return Entry.model_validate(raw)
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        where = ".".join(map(str, (name, *issue["loc"])))
        # LLaMA-Factory knows the key perhaps.
        why = "not supported" if issue["type"] == "extra_forbidden" else sentence_of(issue)
        raise InfoRefused(f"{INFO_NAME}: {where}: {why}") from error


def _file_of(folder: Path, name: str, entry: Entry) -> Path:
    """Returns the file after following links. It must be inside the folder, which may be someone else's."""
    try:
        file = (folder / entry.file_name).resolve()
        is_file = file.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        # The name is too long, has a NUL or half of a surrogate pair, or links form a circle.
        raise InfoRefused(f"{INFO_NAME}: {name}.file_name is no usable name of a file") from error
    if not file.is_relative_to(folder.resolve()):
        raise InfoRefused(f"{INFO_NAME}: {name}.file_name leads out of the folder")
    if not is_file:
        raise InfoRefused(f"{INFO_NAME}: {name}.file_name names no file in the folder")
    return file
