import json
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets.info import INFO_NAME, InfoRefused, Source, open_source, resolve_entry
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.messages import Assistant, User
from finery.contracts.datasets.row_reader import RowReader
from finery.contracts.recipes.data_rules import ExampleKind

USER = {"role": "user", "content": "u"}
ANSWER = {"role": "assistant", "content": "a"}
OPENAI_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


ASKED, ANSWERED = [User("u")], [Assistant("a")]


def read(row: dict[str, Any], kind: ExampleKind = ExampleKind.CONVERSATION_OR_TEXT) -> Any:
    return RowReader(kind).read(row)[1]


def folder_with(folder: Path, **entries: Any) -> Path:
    (folder / INFO_NAME).write_text(json.dumps(entries))
    (folder / "d.jsonl").write_text("{}\n")
    return folder


def source_of(folder: Path, **entry: Any) -> Source:
    return resolve_entry(folder_with(folder, demo={"file_name": "d.jsonl"} | entry), "demo")


class TestOpenSource:
    def test_a_file_stands_for_itself(self, tmp_path: Path) -> None:
        assert open_source(tmp_path / "d.jsonl") == Source(tmp_path / "d.jsonl")

    def test_a_folder_and_its_info_file_are_the_same(self, tmp_path: Path) -> None:
        folder = folder_with(tmp_path, demo={"file_name": "d.jsonl"})
        assert open_source(folder, "demo") == open_source(folder / INFO_NAME, "demo")

    def test_an_entry_of_a_plain_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InfoRefused, match=r"no folder with a dataset_info\.json"):
            open_source(tmp_path / "d.jsonl", "demo")


class TestResolveEntry:
    @pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800", "circle/d.jsonl"])
    def test_a_name_that_no_file_can_have(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "circle").symlink_to("circle")
        with pytest.raises(InfoRefused, match=r"demo\.file_name"):
            source_of(tmp_path, file_name=name)

    def test_the_only_entry_needs_no_name(self, tmp_path: Path) -> None:
        folder = folder_with(tmp_path, demo={"file_name": "d.jsonl"})
        assert resolve_entry(folder, None).file == tmp_path.resolve() / "d.jsonl"

    @pytest.mark.parametrize(
        ("name", "match"), [(None, "name the entry to use; it has a, b"), ("c", "no such entry; it has a, b")]
    )
    def test_names_the_entries_there_are(self, tmp_path: Path, name: str | None, match: str) -> None:
        with pytest.raises(InfoRefused, match=match):
            resolve_entry(folder_with(tmp_path, a={}, b={}), name)

    @pytest.mark.parametrize(
        ("entry", "match"),
        [
            ({"hf_hub_url": "org/x"}, "demo.hf_hub_url names data elsewhere"),
            ({"ms_hub_url": "org/x", "file_name": "d.jsonl"}, "demo.ms_hub_url names data elsewhere"),
            ({"script_url": "x"}, "demo.script_url"),
            ({"cloud_file_name": "s3://x"}, "demo.cloud_file_name"),
            ({}, "demo.file_name: missing"),
            ({"file_name": "d.jsonl", "num_samples": 5}, "demo.num_samples: not supported"),
            ({"file_name": "d.jsonl", "columns": {"images": "i"}}, "demo.columns.images: not supported"),
            ({"file_name": "d.jsonl", "tags": {"x": "y"}}, "demo.tags.x: not supported"),
            ({"file_name": "d.jsonl", "formatting": "csv"}, "demo.formatting: must be one of '"),
            ({"file_name": "d.jsonl", "split": "test"}, "demo.split"),
            ({"file_name": "none.jsonl"}, "demo.file_name names no file"),
            ({"file_name": "../outside.jsonl"}, "demo.file_name leads out"),
            ({"file_name": "/etc/passwd"}, "demo.file_name leads out"),
            ("d.jsonl", "demo must be an object, not text"),
        ],
    )
    def test_refuses_by_name(self, tmp_path: Path, entry: Any, match: str) -> None:
        with pytest.raises(InfoRefused, match=match):
            resolve_entry(folder_with(tmp_path, demo=entry), "demo")

    def test_a_link_cannot_lead_outside(self, tmp_path: Path) -> None:
        (tmp_path / "outside.jsonl").touch()
        (tmp_path / "data").mkdir()
        folder = folder_with(tmp_path / "data", demo={"file_name": "link.jsonl"})
        (folder / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
        with pytest.raises(InfoRefused, match="leads out"):
            resolve_entry(folder, "demo")

    @pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", "\x00"])
    def test_refuses_a_file_that_is_no_object(self, tmp_path: Path, content: str) -> None:
        (tmp_path / INFO_NAME).write_text(content)
        with pytest.raises(InfoRefused, match="dataset_info"):
            resolve_entry(tmp_path, "demo")

    def test_refuses_a_folder_without_one(self, tmp_path: Path) -> None:
        with pytest.raises(InfoRefused, match=r"has no dataset_info\.json"):
            resolve_entry(tmp_path, "demo")


class TestNormalise:
    def test_alpaca_with_the_default_columns(self, tmp_path: Path) -> None:
        row = {"instruction": "u", "input": "", "output": "a", "system": "not named, so not used"}
        assert read(source_of(tmp_path).normalise(row)).messages == [*ASKED, *ANSWERED]

    def test_alpaca_with_its_own_columns(self, tmp_path: Path) -> None:
        columns = {"prompt": "q", "query": "x", "response": "r", "system": "s", "history": "h"}
        row = {"q": "u", "x": None, "r": "a", "s": "be kind", "h": [["1", "2"]]}
        conversation = read(source_of(tmp_path, columns=columns).normalise(row))
        assert [message.content for message in conversation.messages] == ["be kind", "1", "2", "u", "a"]

    def test_alpaca_with_only_a_prompt_is_text(self, tmp_path: Path) -> None:
        source = source_of(tmp_path, columns={"prompt": "text"})
        assert read(source.normalise({"text": "t"}), ExampleKind.TEXT).text == "t"

    def test_alpaca_ranking(self, tmp_path: Path) -> None:
        columns = {"prompt": "q", "chosen": "good", "rejected": "bad"}
        source = source_of(tmp_path, ranking=True, columns=columns)
        preference = read(source.normalise({"q": "u", "good": "a", "bad": "b"}), ExampleKind.PREFERENCE)
        assert (preference.prompt, preference.chosen) == (ASKED, ANSWERED)

    def test_alpaca_feedback(self, tmp_path: Path) -> None:
        columns = {"prompt": "q", "response": "r", "kto_tag": "liked"}
        row = source_of(tmp_path, columns=columns).normalise({"q": "u", "r": "a", "liked": True})
        feedback = read(row, ExampleKind.FEEDBACK)
        assert (feedback.prompt, feedback.completion, feedback.label) == (ASKED, ANSWERED, True)

    def test_sharegpt_with_the_default_names(self, tmp_path: Path) -> None:
        row = {"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]}
        source = source_of(tmp_path, formatting="sharegpt")
        assert read(source.normalise(row)).messages == [*ASKED, *ANSWERED]

    def test_sharegpt_with_its_own_tags(self, tmp_path: Path) -> None:
        tags = {"role_tag": "who", "content_tag": "what", "user_tag": "asker", "assistant_tag": "bot"}
        source = source_of(tmp_path, formatting="sharegpt", columns={"messages": "talk"}, tags=tags)
        row = {"talk": [{"who": "asker", "what": "u"}, {"who": "bot", "what": "a", "weight": 0}]}
        conversation = read(source.normalise(row))
        assert (conversation.messages[0], conversation.trains) == (ASKED[0], [False, False])
        assert conversation.messages[1].content == "a"

    def test_sharegpt_ranking(self, tmp_path: Path) -> None:
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        source = source_of(tmp_path, formatting="sharegpt", ranking=True, columns=columns)
        row = {
            "conversations": [{"from": "human", "value": "u"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        }
        preference = read(source.normalise(row), ExampleKind.PREFERENCE)
        assert (preference.prompt, preference.chosen) == (ASKED, ANSWERED)

    def test_sharegpt_feedback_in_the_words_of_openai(self, tmp_path: Path) -> None:
        columns = {"messages": "messages", "kto_tag": "label"}
        source = source_of(tmp_path, formatting="sharegpt", columns=columns, tags=OPENAI_TAGS)
        feedback = read(source.normalise({"messages": [USER, ANSWER], "label": False}), ExampleKind.FEEDBACK)
        assert (feedback.prompt, feedback.completion, feedback.label) == (ASKED, ANSWERED, False)

    def test_names_a_missing_column(self, tmp_path: Path) -> None:
        source = source_of(tmp_path, columns={"prompt": "q", "response": "r"})
        with pytest.raises(RowRefused, match=r"^r: missing; dataset_info\.json names it as response"):
            source.normalise({"q": "u"})


class TestField:
    def test_says_it_in_the_files_own_names(self, tmp_path: Path) -> None:
        source = source_of(tmp_path, formatting="sharegpt", columns={"messages": "talk"}, tags=OPENAI_TAGS)
        assert source.field("conversations[2].from") == "talk[2].role"
        assert source.field("conversations[2].value") == "talk[2].content"
        assert source.field("chosen.value") == "chosen.content"

    @pytest.mark.parametrize(
        ("field", "own"), [("instruction", "q"), ("output", "r"), ("", ""), ("tools[0].name",) * 2]
    )
    def test_alpaca(self, tmp_path: Path, field: str, own: str) -> None:
        assert source_of(tmp_path, columns={"prompt": "q", "response": "r"}).field(field) == own

    def test_text(self, tmp_path: Path) -> None:
        assert source_of(tmp_path, columns={"prompt": "body"}).field("text") == "body"
