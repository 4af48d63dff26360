import json

import pytest

from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.tool_calls import CallForm, CallReader, find_form, shows_tools
from tests.engines.tiny import CHAT_TEMPLATE, make_tokenizer
from tests.engines.transformers.templates import AS_XML, BARE, LISTED, TAGGED


def form_of(template: str) -> CallForm | None:
    return find_form(prompts_of(make_tokenizer(template)))


FORMS = {name: form_of(template) for name, template in {"tagged": TAGGED, "listed": LISTED, "bare": BARE}.items()}


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def read(form: CallForm | None, *pieces: str, most: int | None = None) -> tuple[str, list[tuple[str, str]]]:
    """What is said and called."""
    assert form is not None
    reader = CallReader(form, max_calls=most)
    heard = [reader.push(piece) for piece in pieces]
    assert [made.index for _, calls in heard for made in calls] == list(range(sum(len(calls) for _, calls in heard)))
    said = "".join(text for text, _ in heard) + reader.flush()
    return said, [(made.name, made.arguments) for _, calls in heard for made in calls]


class TestFindForm:
    def test_calls_between_tags(self) -> None:
        assert FORMS["tagged"] == CallForm(
            open="<tool_call>\n",
            close="\n</tool_call>",
            between="\n</tool_call>\n<tool_call>\n",
            parts=('{"name": ', ', "arguments": ', "}"),
            has_more_keys=False,
        )

    def test_calls_in_a_list(self) -> None:
        form = FORMS["listed"]
        assert form is not None
        assert (form.mark, form.between, form.close, form.has_more_keys) == ("[TOOL_CALLS] [", ", ", "]", True)

    def test_one_bare_call(self) -> None:
        assert FORMS["bare"] == CallForm("", "", None, ('{"name": ', ', "parameters": ', "}"), has_more_keys=False)

    @pytest.mark.parametrize("template", [AS_XML, CHAT_TEMPLATE])
    def test_calls_that_are_no_json(self, template: str) -> None:
        assert form_of(template) is None


class TestShowsTools:
    @pytest.mark.parametrize(("template", "shows"), [(TAGGED, True), (LISTED, True), (CHAT_TEMPLATE, False)])
    def test_whether_the_prompt_holds_them(self, template: str, shows: bool) -> None:
        assert shows_tools(prompts_of(make_tokenizer(template))) is shows


class TestCallReader:
    CASES = (
        ("tagged", "Let me see.\n<tool_call>\n" + call("a", x="}") + "\n</tool_call>", "Let me see.", ["a"]),
        (
            "tagged",
            f"<tool_call>{call('a')}</tool_call> \n<tool_call>\n{call('火', 鉄=[1])}\n</tool_call>\n",
            "",
            ["a", "火"],
        ),
        ("tagged", f"<tool_call>{call('a')}", "", ["a"]),
        ("tagged", f"<tool_call>{call('a')}</tool_call>\nDone. ", "Done.", ["a"]),
        ("tagged", "<tool_calx> < \n", "<tool_calx> < \n", []),
        ("tagged", '<tool_call>\n{"name": "a", "argu', '<tool_call>\n{"name": "a", "argu', []),
        ("tagged", "<tool_call>[1]} no", "<tool_call>[1]} no", []),
        ("tagged", call("a"), call("a"), []),
        ("listed", f"[TOOL_CALLS] [{call('a')}, {call('b')}]", "", ["a", "b"]),
        ("bare", '\n{"name": "a", "parameters": {}}', "", ["a"]),
        ("bare", '{"iron": 1} is no call', '{"iron": 1} is no call', []),
        ("bare", f" So: {call('a')}", f" So: {call('a')}", []),
    )

    @pytest.mark.parametrize(("form", "text", "said", "names"), CASES)
    def test_reads_the_same_however_it_is_cut(self, form: str, text: str, said: str, names: list[str]) -> None:
        for length in (1, 2, 7, 1000):
            pieces = [text[at : at + length] for at in range(0, len(text), length)]
            heard, calls = read(FORMS[form], *pieces)
            assert (heard, [name for name, _ in calls]) == (said, names), length

    def test_arguments_are_json_text(self) -> None:
        _, calls = read(FORMS["tagged"], f"<tool_call>{call('a', 鉄=[1, None], b='}')}</tool_call>")
        assert calls == [("a", '{"鉄": [1, null], "b": "}"}')]

    def test_reads_no_more_calls_than_wanted(self) -> None:
        text = f"<tool_call>{call('a')}</tool_call>\n<tool_call>{call('b')}</tool_call>"
        assert read(FORMS["tagged"], text, most=1) == ("", [("a", "{}")])

    def test_says_at_once_what_cannot_become_a_call(self) -> None:
        form = FORMS["tagged"]
        assert form is not None
        reader = CallReader(form, max_calls=None)
        assert [reader.push(piece)[0] for piece in ("iron ", "is <", "tool_box")] == ["iron", " is", " <tool_box"]
