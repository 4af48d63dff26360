from xml.etree import ElementTree

from finery.kit.markup import Markup, element, joined

ODD = "<b a='\"'>&amp; \x00\x1b]\ud800 日本"


class TestElement:
    def test_text_and_attributes_come_back_as_they_were(self) -> None:
        written = element("p", ODD, element("i", "x"), title=ODD, class_="note", aria_label="a", lang=None)
        parsed = ElementTree.fromstring(written)
        assert parsed.text == "<b a='\"'>&amp; ��]� 日本"
        assert parsed.attrib == {"title": parsed.text, "class": "note", "aria-label": "a"}
        assert [child.tag for child in parsed] == ["i"]


class TestJoined:
    def test_only_what_was_made_here_stays(self) -> None:
        assert joined(Markup("<i>"), "<i>") == "<i>&lt;i&gt;"
