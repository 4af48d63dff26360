"""The support tickets of examples/openai, in four languages."""

import json
from collections import Counter

import pytest

from tests.servers import ROOT

FOLDER = ROOT / "examples" / "openai"
BROKEN = (
    "니다고",  # a statement is quoted with the plain form: 않는다고
    "이 코드가",
    "がコードが",
    "すと出ます",
    "我被收了",
    "密码没有收到",
    "账户没有收到",
    "the account it",
    "password it",
    "password the code",
)


def rows(name: str) -> list[tuple[str, str]]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [tuple(message["content"] for message in json.loads(line)["messages"]) for line in lines]


class TestTickets:
    @pytest.mark.parametrize(("name", "count"), [("tickets_train", 320), ("tickets_held_out", 80)])
    def test_each_queue_has_as_many(self, name: str, count: int) -> None:
        found = Counter(queue for _, queue in rows(name))
        assert found == dict.fromkeys(("login", "delivery", "billing", "crash"), count // 4)

    def test_held_out_tickets_were_never_seen(self) -> None:
        seen, held_out = ({text for text, _ in rows(name)} for name in ("tickets_train", "tickets_held_out"))
        assert len(seen) + len(held_out) == 400
        assert seen.isdisjoint(held_out)

    def test_are_sentences(self) -> None:
        texts = [text for name in ("tickets_train", "tickets_held_out") for text, _ in rows(name)]
        assert [text for text in texts if text[-1] not in ".。"] == []
        assert [text for text in texts if any(part in text for part in BROKEN)] == []
