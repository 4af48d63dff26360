import pytest

from finery.contracts.model_table import ModelTableError, parse_model_table


class TestParseModelTable:
    def test_short_and_long_form(self) -> None:
        table = parse_model_table(
            {
                "models": {
                    "gpt-4o-mini": "finery/tiny-llama",
                    "house": {"model": "models/house", "max_length": 512, "method": "lora", "learning_rate": "1e-4"},
                }
            }
        )
        assert table["gpt-4o-mini"].model == "finery/tiny-llama"
        assert table["house"].learning_rate == 1e-4
        assert table["house"].method == "lora"

    def test_nothing_is_an_empty_table(self) -> None:
        assert parse_model_table(None) == {}

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ({"models": {"a": {"modle": "x"}}}, "models.a.modle"),
            ({"models": {"a": {}}}, "models.a.model"),
            ({"models": {"a": "b", "b": "finery/tiny-llama"}}, "itself a name"),
            ({"models": {"finery/mine": "x"}}, "Finery's own"),
            ({"models": {"ft:x": "x"}}, "models.ft:x"),
            ({"models": {"a b": "x"}}, "models.a b"),
            ({"model": {}}, "model"),
            ([], "object of keys and values"),
            ({"models": {"a": {"model": "x", "learning_rate": "fast"}}}, "models.a.learning_rate"),
        ],
    )
    def test_names_what_is_wrong(self, document: object, message: str) -> None:
        with pytest.raises(ModelTableError, match=message):
            parse_model_table(document)
