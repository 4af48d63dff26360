import re

import pytest

from finery.contracts.visible_text import check_plain


class TestCheckPlain:
    @pytest.mark.parametrize(
        "text", ["", "a b", "모델 7", "Ünï", "\N{GRINNING FACE}", "a\N{IDEOGRAPHIC SPACE}b", "-rf", "$(x)"]
    )
    def test_what_is_seen_passes(self, text: str) -> None:
        assert check_plain(text) == text

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("a\0b", "character 2 is U+0000"),
            ("a\nb", "U+000A"),
            ("\x7f", "U+007F"),
            ("x\x85", "U+0085"),
            ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE, which does not show; leave it out"),
            ("\u2066a", "U+2066 LEFT-TO-RIGHT ISOLATE"),
            ("a\u200e", "U+200E"),
            ("a\u061cb", "U+061C"),
            ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
            ("\ufeffa", "U+FEFF"),
            ("a\u2028b", "U+2028"),
            ("\ud800", "U+D800"),
            (" a", "begins or ends with a blank"),
            ("a\N{NO-BREAK SPACE}", "begins or ends with a blank"),
            ("\N{IDEOGRAPHIC SPACE}", "begins or ends with a blank"),
        ],
    )
    def test_what_is_not_is_refused_by_name(self, text: str, says: str) -> None:
        with pytest.raises(ValueError, match=re.escape(says)):
            check_plain(text)
