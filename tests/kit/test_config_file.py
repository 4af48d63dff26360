import itertools
import time
from pathlib import Path

import pytest

from finery.kit.config_file import ConfigRefused, read_config


def read(tmp_path: Path, text: str, name: str = "run.yaml") -> dict[str, object]:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_config(file)


class TestValues:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1e-5", 1e-5),
            ("5E-3", 5e-3),
            ("1.5e+3", 1500.0),
            (".5", 0.5),
            ("2.", 2.0),
            ("-3", -3),
            ("+4", 4),
            ("0", 0),
            ("true", True),
            ("False", False),
            ("null", None),
            ("~", None),
            ("", None),
            ("gpt2", "gpt2"),
            ("no", "no"),
            ("on", "on"),
            ("2024-01-01", "2024-01-01"),
            ("1:30", "1:30"),
            ("017", "017"),
            ("0x10", "0x10"),
            ("1_000", "1_000"),
            (".inf", ".inf"),
            (".nan", ".nan"),
            ("'1e-5'", "1e-5"),
            ('"true"', "true"),
            ("[q_proj, v_proj]", ["q_proj", "v_proj"]),
            ("你好", "你好"),
            ("{A: b}", {"A": "b"}),
        ],
    )
    def test_core_schema(self, tmp_path: Path, text: str, value: object) -> None:
        assert read(tmp_path, f"key: {text}\n") == {"key": value}
        assert type(read(tmp_path, f"key: {text}\n")["key"]) is type(value)

    def test_an_anchor_may_be_used(self, tmp_path: Path) -> None:
        assert read(tmp_path, "a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}

    def test_json(self, tmp_path: Path) -> None:
        assert read(tmp_path, '{"learning_rate": 1e-5}', "run.json") == {"learning_rate": 1e-5}

    def test_nothing_is_no_setting(self, tmp_path: Path) -> None:
        assert read(tmp_path, "") == {}
        assert read(tmp_path, "# a comment only\n") == {}

    def test_a_byte_order_mark_is_skipped(self, tmp_path: Path) -> None:
        assert read(tmp_path, "\ufeffa: 1\n") == {"a": 1}


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("a: !!python/object/apply:os.system [id]", "line 1: the tag .*python.* is not allowed"),
            ("b: 1\na: !custom 1", "line 2: the tag !custom is not allowed"),
            ("a: !!str 1", "the tag .* is not allowed"),
            ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice"),
            ("a: {b: 1, b: 2}", "the key 'b' is there twice"),
            ("<<: {a: 1}", "merge keys"),
            ("1: 2", "a key must be a plain word"),
            ("? [a]\n: 1", "a key must be a plain word"),
            ("[1, 2]", "must hold settings"),
            ("just text", "must hold settings"),
            ("a: [", "line 1"),
            ("a: 1\n\tb: 2", "line 2: .*tab|line 2: "),
            ("a: 1\n--- \nb: 2", "line 2"),
            ("a: 1e999", "too large"),
            ("a: &a [*a]", "too much"),
            ("a: " + "[" * 10_000, "nested more than"),
            ("\n".join(f"k{number}: 1" for number in range(30_000)), "too much"),
        ],
    )
    def test_yaml(self, tmp_path: Path, text: str, reason: str) -> None:
        with pytest.raises(ConfigRefused, match=reason):
            read(tmp_path, text)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
            ('{"a": NaN}', "NaN is not a number"),
            ('{"a": 1e999}', "too large"),
            ('{\n"a": }', "line 2"),
            ("[1]", "must hold settings"),
            ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ],
    )
    def test_json(self, tmp_path: Path, text: str, reason: str) -> None:
        with pytest.raises(ConfigRefused, match=reason):
            read(tmp_path, text, "run.json")

    def test_an_alias_bomb_is_refused_at_once(self, tmp_path: Path) -> None:
        names = "abcdefghij"
        lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
        for above, name in itertools.pairwise(names):
            lines.append(f"{name}: &{name} [{', '.join([f'*{above}'] * 9)}]")
        began = time.monotonic()

        with pytest.raises(ConfigRefused, match="too much"):
            read(tmp_path, "\n".join(lines))
        assert time.monotonic() - began < 1.0

    def test_the_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigRefused, match=r"nosuch\.yaml: cannot be read: No such file"):
            read_config(tmp_path / "nosuch.yaml")

    def test_another_encoding(self, tmp_path: Path) -> None:
        file = tmp_path / "run.yaml"
        file.write_bytes("a: 中".encode("utf-16"))

        with pytest.raises(ConfigRefused, match="save it as UTF-8"):
            read_config(file)

    def test_a_huge_file_is_not_read(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigRefused, match="larger than"):
            read(tmp_path, "a: " + "x" * 1_000_001)
