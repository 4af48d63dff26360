"""Chat JSON Lines as people have them, generated: the same file for the same seed."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = (
    *("the", "model", "was", "asked", "for", "a", "short", "answer", "about", "rivers", "and", "trade", "in", "early"),
    *("spring", "because", "nobody", "had", "measured", "how", "much", "water", "reaches", "our", "fields", "before"),
    *("summer", "begins", "so", "we", "wrote", "down", "every", "figure", "twice", "compared", "them", "with", "last"),
    *("year's", "found", '"large"', "differences", "which", "may", "come", "from", "rain", "snow", "or", "broken"),
)
CJK = (
    "今天天气很好我们一起去公园散步吧、質問に答えてください。データの行数は一万件です。한국어로대답해주세요,감사합니다"
)

Row = dict[str, Any]


def write_chats(path: Path, kind: str, size: int) -> None:
    """At least `size` bytes of rows of that kind."""
    draw, make = random.Random(7), KINDS[kind]  # noqa: S311 - nothing here is secret
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            for _ in range(500):
                file.write(json.dumps(make(draw), ensure_ascii=False) + "\n")


def _short(draw: random.Random) -> Row:
    return {"messages": [{"role": "system", "content": "Answer briefly."}, *_turns(draw, (1, 4), _english, 200)]}


def _mixed(draw: random.Random) -> Row:
    return {"messages": _turns(draw, (1, 3), _english, draw.choice((200, 800, 800, 3000)))}


def _long(draw: random.Random) -> Row:
    return {"messages": _turns(draw, (1, 1), _english, 8000, least=2000)}


def _cjk(draw: random.Random) -> Row:
    return {"messages": _turns(draw, (1, 3), _asian, 600)}


def _weights(draw: random.Random) -> Row:
    messages = _turns(draw, (2, 4), _english, 500)
    return {"messages": [_weighed(draw, message) for message in messages]}


def _tools(draw: random.Random) -> Row:
    calls = [_call(draw) for _ in range(draw.choice((1, 1, 1, 2)))]
    answers = [{"role": "tool", "tool_call_id": call["id"], "content": _english(draw, 50, 600)} for call in calls]
    return {
        "messages": [
            {"role": "user", "content": _english(draw, 50, 300)},
            {"role": "assistant", "content": None, "tool_calls": calls},
            *answers,
            {"role": "assistant", "content": _english(draw, 50, 800)},
        ],
        "tools": draw.choice(TOOLS),
    }


def _call(draw: random.Random) -> Row:
    asked: Row = {"river": draw.choice(WORDS), "year": draw.randint(1900, 2020)}
    if draw.random() < 0.3:
        asked["about"] = draw.choices(WORDS, k=3)
    function = {"name": draw.choice(("look_up", "compare")), "arguments": json.dumps(asked)}
    return {"id": f"call_{draw.getrandbits(48):012x}", "type": "function", "function": function}


def _tool(name: str) -> Row:
    properties = {"river": {"type": "string"}, "year": {"type": "integer"}, "about": {"type": "array"}}
    schema = {"type": "object", "properties": properties, "required": ["river"]}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


TOOLS = [[_tool("look_up")], [_tool("look_up"), _tool("compare")]]
KINDS: dict[str, Callable[[random.Random], Row]] = {
    "short": _short,
    "mixed": _mixed,
    "long": _long,
    "cjk": _cjk,
    "weights": _weights,
    "tools": _tools,
}


def _turns(
    draw: random.Random,
    pairs: tuple[int, int],
    text: Callable[[random.Random, int, int], str],
    most: int,
    *,
    least: int = 50,
) -> list[Row]:
    messages: list[Row] = []
    for _ in range(draw.randint(*pairs)):
        messages.append({"role": "user", "content": text(draw, 50, 200)})
        messages.append({"role": "assistant", "content": text(draw, least, most)})
    return messages


def _weighed(draw: random.Random, message: Row) -> Row:
    return message | {"weight": draw.randint(0, 1)} if message["role"] == "assistant" else message


def _english(draw: random.Random, least: int, most: int) -> str:
    length = draw.randint(least, most)
    return " ".join(draw.choices(WORDS, k=length // 5))[:length]


def _asian(draw: random.Random, least: int, most: int) -> str:
    return "".join(draw.choices(CJK, k=draw.randint(least, most)))
