import pytest

from finery.kit.printable import printable
from finery.kit.redaction import Redactor


class TestRedact:
    @pytest.mark.parametrize(
        ("text", "values", "expected"),
        [
            ("token hf_abcdef used", ["hf_abcdef"], "token [redacted] used"),
            ("hf_abcdef_long hf_abcdef", ["hf_abcdef", "hf_abcdef_long"], "[redacted] [redacted]"),
            ("https://u:p%40ss%2Fword@hub", ["p@ss/word"], "https://u:[redacted]@hub"),
            ('{"k": "quo\\"te"}', ['quo"te'], '{"k": "[redacted]"}'),
            ('{"k": "ключ \\"a\\""}', ['ключ "a"'], '{"k": "[redacted]"}'),
            ("{'k': 'back\\\\slash'}", ["back\\slash"], "{'k': '[redacted]'}"),
            ("?q=two+words", ["two words"], "?q=[redacted]"),
            ("bytes \udcff\udcfe!", ["\udcff\udcfe!abc", "\udcff\udcfe!!", "tes \udcff"], "by[redacted]\udcfe!"),
            ("BEGIN KEY\nabcdefgh\n", ["BEGIN KEY\nabcdefgh\n"], "[redacted]\n"),
            ("second line: abcdefgh", ["BEGIN KEY\nabcdefgh\n"], "second line: [redacted]"),
            ("a short one hides nothing", ["a", ""], "a short one hides nothing"),
            ("nothing to hide", [], "nothing to hide"),
        ],
    )
    def test_hides_each_form(self, text: str, values: list[str], expected: str) -> None:
        assert Redactor(values)(text) == expected


class TestRedactor:
    def test_goes_through_a_json_value(self) -> None:
        told = {"hf_abcd": ["hf_abcd", {"a": "x hf_abcd"}], "n": 1234, "none": None, "flag": True}
        assert Redactor(["hf_abcd", "1234", "True"]).within(told) == {
            "[redacted]": ["[redacted]", {"a": "x [redacted]"}],
            "n": 1234,
            "none": None,
            "flag": True,
        }

    def test_is_true_with_something_to_hide(self) -> None:
        assert Redactor(["abcd"])
        assert not Redactor([])
        assert not Redactor(["abc"])


class TestPrintable:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("plain имя 名前", "plain имя 名前"),
            ("a\0b\x1b[31m\n", "a\\x00b\\x1b[31m\\n"),
            ("exe\u202etxt.\udcff", "exe\\u202etxt.\\udcff"),
            ("x" * 300, "x" * 79 + "…"),
            ("\0" * 80, ("\\x00" * 20)[:79] + "…"),
        ],
    )
    def test_shows_what_can_be_shown(self, text: str, expected: str) -> None:
        assert printable(text) == expected
