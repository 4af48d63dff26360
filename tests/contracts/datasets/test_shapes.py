import pytest

from finery.contracts.datasets.recipes import kind_of
from finery.contracts.datasets.rows import RowRefused
from finery.contracts.datasets.shapes import (
    KEYS,
    SHAPES_OF_KIND,
    Shape,
    label_of,
    recipes_for,
    shape_of,
)

ROWS = {
    Shape.ALPACA: {"instruction": "i", "output": "o"},
    Shape.MESSAGES: {"messages": []},
    Shape.SHAREGPT: {"conversations": []},
    Shape.PROMPT_COMPLETION: {"prompt": "p", "completion": "c"},
    Shape.QUESTION_ANSWER: {"question": "q", "answer": "a"},
    Shape.TEXT: {"text": "t"},
    Shape.PREFERENCE: {"prompt": "p", "chosen": "c", "rejected": "r"},
    Shape.IMPLICIT_PREFERENCE: {"chosen": [], "rejected": []},
    Shape.ALPACA_PREFERENCE: {"instruction": "i", "chosen": "c", "rejected": "r"},
    Shape.MESSAGES_PREFERENCE: {"messages": [], "chosen": [], "rejected": []},
    Shape.OPENAI_PREFERENCE: {"input": {}, "preferred_output": [], "non_preferred_output": []},
    Shape.SHAREGPT_PREFERENCE: {"conversations": [], "chosen": {}, "rejected": {}},
    Shape.FEEDBACK: {"prompt": "p", "completion": "c", "label": True},
    Shape.ALPACA_FEEDBACK: {"instruction": "i", "output": "o", "kto_tag": False},
    Shape.MESSAGES_FEEDBACK: {"messages": [], "label": False},
    Shape.SHAREGPT_FEEDBACK: {"conversations": [], "kto_tag": True},
    Shape.PROMPT: {"prompt": "p"},
}


class TestShapeOf:
    @pytest.mark.parametrize("shape", Shape)
    def test_knows_every_shape(self, shape: Shape) -> None:
        assert shape_of(ROWS[shape]) is shape

    @pytest.mark.parametrize("shape", Shape)
    def test_other_columns_and_null_ones_do_not_matter(self, shape: Shape) -> None:
        nulls = {key: None for keys in KEYS.values() for key in keys}
        assert shape_of(nulls | {"id": 7, "source": "x"} | ROWS[shape]) is shape

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
    def test_names_the_nearest_shape_and_what_it_lacks(
        self, row: dict[str, object], among: str, field: str, reason: str
    ) -> None:
        with pytest.raises(RowRefused) as caught:
            shape_of(row, SHAPES_OF_KIND[kind_of(among)])
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
        ("recipe", "shape", "accepts"),
        [
            ("sft", Shape.ALPACA, True),
            ("sft", Shape.TEXT, True),
            ("sft", Shape.FEEDBACK, False),
            ("sft", Shape.PREFERENCE, False),
            ("cpt", Shape.TEXT, True),
            ("cpt", Shape.MESSAGES, False),
            ("dpo", Shape.SHAREGPT_PREFERENCE, True),
            ("reward", Shape.IMPLICIT_PREFERENCE, True),
            ("dpo", Shape.OPENAI_PREFERENCE, True),
            ("kto", Shape.MESSAGES_FEEDBACK, True),
            ("kto", Shape.MESSAGES, False),
            ("command", Shape.TEXT, False),
        ],
    )
    def test_table(self, recipe: str, shape: Shape, accepts: bool) -> None:
        assert (recipe in recipes_for(shape)) is accepts

    @pytest.mark.parametrize("shape", Shape)
    def test_every_shape_serves_a_recipe(self, shape: Shape) -> None:
        assert recipes_for(shape)
