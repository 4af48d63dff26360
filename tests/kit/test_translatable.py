import copy
import json
import pickle

from finery.kit.translatable import Translatable, message_of

KOREAN = {
    "no model {name!r}: {hint}": "모델 {name!r}이(가) 없습니다. {hint}",
    "did you mean {near!r}?": "{near!r}을(를) 뜻하셨나요?",
}


def nothing_named(name: str) -> Translatable:
    return Translatable("no model {name!r}: {hint}", name=name, hint=Translatable("did you mean {near!r}?", near="b"))


def korean(template: str) -> str:
    return KOREAN[template]


class TestTranslatable:
    def test_is_the_english_sentence(self) -> None:
        sentence = nothing_named("{a}")
        assert sentence == "no model '{a}': did you mean 'b'?"
        assert json.dumps([sentence]) == "[\"no model '{a}': did you mean 'b'?\"]"
        assert str(ValueError(sentence)) == sentence

    def test_is_told_with_what_is_in_it(self) -> None:
        assert nothing_named("{a}").told(korean) == "모델 '{a}'이(가) 없습니다. 'b'을(를) 뜻하셨나요?"

    def test_an_error_in_it_is_told_too(self) -> None:
        refused = Translatable("no model {name!r}: {hint}", name="a", hint=ValueError(nothing_named("c")))
        assert refused == "no model 'a': no model 'c': did you mean 'b'?"
        assert refused.told(korean).count("없습니다") == 2

    def test_survives_a_copy(self) -> None:
        for copied in (copy.deepcopy(nothing_named("a")), pickle.loads(pickle.dumps(nothing_named("a")))):
            assert copied == nothing_named("a")
            assert copied.told(korean) == nothing_named("a").told(korean)


class TestMessageOf:
    def test_keeps_what_was_said(self) -> None:
        said = message_of(ValueError(nothing_named("a")))
        assert isinstance(said, Translatable)
        assert (message_of(ValueError()), message_of(KeyError("a"))) == ("", "'a'")
