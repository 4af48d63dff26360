import pytest

from finery.cli.key_values import SettingRefused, parse_labels, parse_settings, parse_value


class TestParseValue:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("3", 3),
            ("1e-5", 1e-5),
            ("true", True),
            ("null", None),
            ('["a", "b"]', ["a", "b"]),
            ('{"a": 1}', {"a": 1}),
            ('"3"', "3"),
            ("gpt2", "gpt2"),
            ("a=b", "a=b"),
            ("", ""),
            ("True", "True"),
            ("NaN", "NaN"),
            ("Infinity", "Infinity"),
            ("1e999", "1e999"),
            ("$(rm -rf /)", "$(rm -rf /)"),
            ("[" * 100_000, "[" * 100_000),
        ],
    )
    def test_json_or_text(self, text: str, value: object) -> None:
        assert parse_value(text) == value


class TestParseSettings:
    def test_words(self) -> None:
        assert parse_settings(["num_epochs=3", "model_name=gpt2", "x="]) == {
            "num_epochs": 3,
            "model_name": "gpt2",
            "x": "",
        }

    @pytest.mark.parametrize("word", ["num_epochs", "=3", "a b=3", "--x=3", "a.b=1"])
    def test_what_is_no_setting(self, word: str) -> None:
        with pytest.raises(SettingRefused, match="write key=value"):
            parse_settings([word])

    def test_twice(self) -> None:
        with pytest.raises(SettingRefused, match="num_epochs is given twice"):
            parse_settings(["num_epochs=3", "num_epochs=4"])


class TestParseLabels:
    def test_values_stay_text(self) -> None:
        assert parse_labels(["team=search", "n=3", "e="]) == {"team": "search", "n": "3", "e": ""}

    def test_no_label(self) -> None:
        with pytest.raises(SettingRefused, match="'team'"):
            parse_labels(["team"])
