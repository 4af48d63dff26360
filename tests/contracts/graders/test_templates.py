import contextlib
import time

import pytest

from finery.contracts.graders.templates import FieldMissing, check_template, item_paths, render, sample_of

SPACES = {
    "item": {
        "answer": "Paris",
        "n": 3,
        "list": [{"a b": "x"}, 2.5],
        "名": "值",
        "sly": "{{ item.answer }}",
        "no": None,
    },
    "sample": sample_of('{"city": "Paris", "ok": true}'),
}


class TestRender:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("", ""),
            ("no place } here {", "no place } here {"),
            ("{{item.answer}}", "Paris"),
            ("<{{ item.answer }}|{{\titem.answer\n}}>", "<Paris|Paris>"),
            ("{{ item.n }} {{ item.list[1] }} {{ item.no }}", "3 2.5 null"),
            ('{{ item.list[0]["a b"] }}', "x"),
            ("{{ item['名'] }}{{ item.名 }}", "值值"),
            ("{{ item.list }}", '[{"a b": "x"}, 2.5]'),
            ("{{ sample.output_json.city }}", "Paris"),
            ("{{ sample.output_json.ok }}", "true"),
            ("{{ sample.choices[0].message.role }}", "assistant"),
            ("{{ sample.output_text }}", '{"city": "Paris", "ok": true}'),
            ('{"a": {"b": "{{ item.answer }}"}}', '{"a": {"b": "Paris"}}'),
        ],
    )
    def test_puts_in_what_stands_there(self, template: str, text: str) -> None:
        assert check_template(template) == template
        assert render(template, SPACES) == text

    def test_what_is_put_in_is_no_template(self) -> None:
        assert render("{{ item.sly }}", SPACES) == "{{ item.answer }}"

    @pytest.mark.parametrize(
        "template",
        ["{{ item.other }}", "{{ item.answer.x }}", "{{ item.list[2] }}", "{{ item.list.a }}", "{{ item.n[0] }}"],
    )
    def test_tells_what_is_missing(self, template: str) -> None:
        with pytest.raises(FieldMissing, match="is missing"):
            render(template, SPACES)

    def test_an_answer_that_is_no_json_has_no_output_json(self) -> None:
        with pytest.raises(FieldMissing, match=r"sample\.output_json\.city"):
            render("{{ sample.output_json.city }}", {"item": {}, "sample": sample_of("Paris")})


class TestCheckTemplate:
    @pytest.mark.parametrize(
        ("template", "reason"),
        [
            ("{{ item.answer", "is not closed"),
            ("{{ answer }}", "must begin with item. or sample."),
            ("{{ items.answer }}", "must begin with item. or sample."),
            ("{{ }}", "must begin with item. or sample."),
            ("{{ item }}", "is no path"),
            ("{{ item.a | upper }}", "is no path"),
            ("{{ item.a() }}", "is no path"),
            ("{{ item.a + 1 }}", "is no path"),
            ("{{ item.__class__.__mro__[1].__subclasses__() }}", "is no path"),
            ("{{ item" + ".a" * 40 + " }}", "is no path"),
            ("{{ sample.text }}", "sample has no field 'text'"),
            ("{{ sample.output_tools[0].function.name }}", "sample.output_tools is not supported"),
        ],
    )
    def test_refuses(self, template: str, reason: str) -> None:
        with pytest.raises(ValueError, match=r"\{\{|sample") as caught:
            check_template(template)
        assert reason in str(caught.value)

    @pytest.mark.parametrize("hostile", ["{{" * 50_000, "{{}" * 33_000, "{{item.a" + "[" * 90_000, "}}" * 50_000])
    def test_hostile_text_costs_no_more_than_its_length(self, hostile: str) -> None:
        begun = time.perf_counter()
        with contextlib.suppress(ValueError):
            check_template(hostile)
        assert time.perf_counter() - begun < 1.0

    def test_names_of_classes_are_only_keys(self) -> None:
        with pytest.raises(FieldMissing):
            render("{{ item.__class__ }}", SPACES)


class TestItemPaths:
    def test_each_once(self) -> None:
        texts = ["{{ item.a }} {{ sample.output_text }}", "{{ item.b[0] }}{{ item.a }}"]
        assert item_paths(texts) == [("item", "a"), ("item", "b", 0)]
