import pytest

from finery.contracts.datasets.detection import find_format, recipes_for
from finery.contracts.datasets.formats import every_format
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.recipes import example_kind_of
from finery.contracts.datasets.row_format import label_of, needed_by
from finery.contracts.datasets.row_reader import RowReader

NAMED = {row_format.name: row_format for row_format in every_format()}

ROWS: dict[str, dict[str, object]] = {
    "alpaca": {"instruction": "i", "output": "o"},
    "messages": {"messages": []},
    "sharegpt": {"conversations": []},
    "prompt_completion": {"prompt": "p", "completion": "c"},
    "question_answer": {"question": "q", "answer": "a"},
    "text": {"text": "t"},
    "preference": {"prompt": "p", "chosen": "c", "rejected": "r"},
    "implicit_preference": {"chosen": [], "rejected": []},
    "alpaca_preference": {"instruction": "i", "chosen": "c", "rejected": "r"},
    "messages_preference": {"messages": [], "chosen": [], "rejected": []},
    "openai_preference": {"input": {}, "preferred_output": [], "non_preferred_output": []},
    "sharegpt_preference": {"conversations": [], "chosen": {}, "rejected": {}},
    "feedback": {"prompt": "p", "completion": "c", "label": True},
    "alpaca_feedback": {"instruction": "i", "output": "o", "kto_tag": False},
    "messages_feedback": {"messages": [], "label": False},
    "sharegpt_feedback": {"conversations": [], "kto_tag": True},
    "prompt": {"prompt": "p"},
}


class TestFindFormat:
    @pytest.mark.parametrize("name", NAMED)
    def test_knows_every_format(self, name: str) -> None:
        assert find_format(ROWS[name], every_format()).name == name

    @pytest.mark.parametrize("name", NAMED)
    def test_other_columns_and_null_ones_do_not_matter(self, name: str) -> None:
        nulls: dict[str, object] = {key: None for each in every_format() for key in needed_by(each)}
        assert find_format(nulls | {"id": 7, "source": "x"} | ROWS[name], every_format()).name == name

    @pytest.mark.parametrize(
        ("row", "among", "field", "reason"),
        [
            ({"instruction": "i"}, "sft", "output", "a row of shape alpaca needs instruction, output"),
            ({"instruction": "i", "output": None}, "sft", "output", "missing"),
            ({"question": "q"}, "sft", "answer", "question_answer"),
            ({"prompt": "p", "chosen": "c"}, "dpo", "rejected", "missing; a row of shape preference"),
            ({"chosen": "c"}, "dpo", "rejected", "missing"),
            ({"prompt": "p", "completion": "c"}, "kto", "label", "missing; a row of shape feedback needs"),
            ({"prompt": "p", "completion": "c", "label": "so so"}, "kto", "label", "must be true or false"),
            ({"messages": [], "kto_tag": 7}, "kto", "kto_tag", "must be true or false"),
            ({"conversations": [], "chosen": {}}, "dpo", "rejected", "missing; a row of shape sharegpt_preference"),
            ({"instruction": "i", "output": "o"}, "dpo", "", "is of shape alpaca, which serves sft"),
            ({"messages": []}, "dpo", "", "is of shape messages, which serves sft"),
            ({"instruction": "i", "chosen": "c", "rejected": "r"}, "sft", "", "which serves dpo and reward"),
            ({"prompt": "p", "label": "good"}, "kto", "completion", "missing"),
            ({"text": "t"}, "dpo", "", "is of shape text, which serves sft and cpt"),
            ({"a": "b"}, "cpt", "", "has the keys of no shape; one of these is needed: text"),
            ({}, "sft", "", "has the keys of no shape"),
        ],
    )
    def test_names_the_nearest_format_and_what_it_lacks(
        self, row: dict[str, object], among: str, field: str, reason: str
    ) -> None:
        with pytest.raises(RowRefused) as caught:
            RowReader(example_kind_of(among)).format_of(row)
        assert caught.value.field == field
        assert reason in caught.value.reason


class TestLabelOf:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(True, True), (False, False), (1, True), (0, False), ("true", True), (" FALSE ", False), ("1", True)],
    )
    def test_reads_what_json_csv_and_parquet_write(self, value: object, expected: bool) -> None:
        assert label_of({"label": value}) is expected
        assert label_of({"kto_tag": value}) is expected

    @pytest.mark.parametrize("value", [None, "", "good", 2, 1.0, [], {}])
    def test_anything_else_is_none(self, value: object) -> None:
        assert label_of({"label": value}) is None


class TestRecipesFor:
    @pytest.mark.parametrize(
        ("name", "recipes"),
        [
            ("alpaca", ["sft", "grpo"]),
            ("text", ["sft", "cpt"]),
            ("preference", ["dpo", "reward"]),
            ("sharegpt_preference", ["dpo", "reward"]),
            ("feedback", ["kto"]),
            ("messages", ["sft", "grpo"]),
            ("messages_feedback", ["kto"]),
            ("prompt", ["grpo"]),
        ],
    )
    def test_table(self, name: str, recipes: list[str]) -> None:
        assert recipes_for(NAMED[name]) == recipes

    @pytest.mark.parametrize("name", NAMED)
    def test_every_format_serves_a_recipe(self, name: str) -> None:
        assert recipes_for(NAMED[name])
