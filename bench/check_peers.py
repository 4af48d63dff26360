"""The same checks of chat JSON Lines three ways. `python -m bench.check_peers NAME FILE` prints seconds and memory."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from finery.contracts.datasets import Source
from finery.contracts.datasets.check import examine

ROLES = ("system", "developer", "user", "assistant", "tool")
Counts = dict[str, int]


def ours(path: Path) -> Counts:
    report = examine(Source(path), "sft")
    return {
        "rows": report.rows,
        "invalid": report.invalid,
        "trainable": report.trainable,
        "duplicates": report.duplicates.count,
        "masked": report.masked_messages,
        "calls": report.tool_calls,
    }


def plain_json(path: Path) -> Counts:
    return _count(path, _from_dict)


def pydantic_models(path: Path) -> Counts:
    return _count(path, _from_model)


class Function(BaseModel):
    name: str
    arguments: str


class Call(BaseModel):
    id: str | None = None
    type: Literal["function"] = "function"
    function: Function


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None = None
    weight: Literal[0, 1] | None = None
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class Chat(BaseModel):
    messages: list[Message]
    tools: list[dict[str, Any]] | None = None


Step = tuple[str, str | None, int | None, list[tuple[str | None, str, str]], str | None]
"""Role, content, weight, calls as (id, name, arguments), and the id of the call that is answered."""


def _from_model(line: bytes) -> list[Step]:
    row = Chat.model_validate_json(line)
    return [
        (
            message.role,
            message.content,
            message.weight,
            [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()],
            message.tool_call_id,
        )
        for message in row.messages
    ]


def _from_dict(line: bytes) -> list[Step]:
    row = json.loads(line)
    steps: list[Step] = []
    for message in row["messages"]:
        role, content, weight = message["role"], message.get("content"), message.get("weight")
        if role not in ROLES or not isinstance(content, str | None) or weight not in (None, 0, 1):
            raise ValueError(role)
        calls = message.get("tool_calls") or ()
        made = [(call.get("id"), call["function"]["name"], call["function"]["arguments"]) for call in calls]
        steps.append((role, content, weight, made, message.get("tool_call_id")))
    return steps


def _count(path: Path, read: Callable[[bytes], list[Step]]) -> Counts:
    counts = Counter(dict.fromkeys(("rows", "invalid", "trainable", "duplicates", "masked", "calls"), 0))
    orders: Counter[tuple[str, ...]] = Counter()
    seen: set[int] = set()
    longest = size = 0
    with path.open("rb") as file:
        for line in file:
            counts["rows"] += 1
            size += len(line)
            longest = max(longest, len(line))
            try:
                steps = read(line)
                trainable, masked, calls = _follow(steps)
            except (ValidationError, ValueError, KeyError, TypeError):
                counts["invalid"] += 1
                continue
            orders[tuple([step[0] for step in steps])] += 1
            counts["trainable"] += trainable
            counts["masked"] += masked
            counts["calls"] += calls
            signature = hash(tuple(_texts(steps)))
            counts["duplicates"] += signature in seen
            seen.add(signature)
    return dict(counts)


def _follow(steps: list[Step]) -> tuple[bool, int, int]:
    """Whether there is something to learn, the masked answers, and the calls. Raises ValueError for a bad order."""
    trainable, masked, calls, asked, previous = False, 0, 0, set[str | None](), "system"
    for role, content, weight, made, answered in steps:
        if role == "system" and previous != "system":
            raise ValueError("a late system message")
        if role == "tool" and (previous not in ("assistant", "tool") or (asked and answered not in asked)):
            raise ValueError("an answer to no call")
        if role == "assistant":
            asked = {call[0] for call in made}
            for _, _, arguments in made:
                json.loads(arguments)
            calls += len(made)
            if made or (content and not content.isspace()):
                masked += weight == 0
                trainable |= weight != 0
        elif content is None:
            raise ValueError("no content")
        previous = role
    if not steps:
        raise ValueError("no messages")
    return trainable, masked, calls


def _texts(steps: list[Step]) -> Iterator[str]:
    for _, content, _, made, _ in steps:
        yield content or ""
        for _, name, arguments in made:
            yield name + arguments


PEERS: dict[str, Callable[[Path], Counts]] = {"finery": ours, "json": plain_json, "pydantic": pydantic_models}


def main(name: str, path: Path) -> None:
    # The peak so far is forgotten: what the imports took is not counted.
    Path("/proc/self/clear_refs").write_text("5")
    before = _kib("VmRSS")
    best, counts = float("inf"), {}
    for _ in range(3):
        began = time.process_time()
        counts = PEERS[name](path)
        best = min(best, time.process_time() - began)
    grown = _kib("VmHWM") - before
    print(json.dumps({"seconds": best, "grown_mib": round(grown / 1024), "counts": counts}))


def _kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
