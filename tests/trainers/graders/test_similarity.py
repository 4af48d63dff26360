"""Values computed by hand; where a formula has variants, the comment says which one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finery.trainers.graders.similarity import METRICS, bleu, fuzzy_match, gleu, meteor, rouge_l, rouge_n


class TestFuzzyMatch:
    @pytest.mark.parametrize(
        ("text", "reference", "score"),
        [
            ("Paris", "paris!", 1.0),
            ("+", "+", 1.0),
            ("", "", 0.0),
            ("abc", "xyz", 0.0),
            # 9 of 10 characters each are shared: 2 · 9 / 20.
            ("abcdefghij", "abcdefghix", 0.9),
        ],
    )
    def test_values(self, text: str, reference: str, score: float) -> None:
        assert fuzzy_match(text, reference) == pytest.approx(score)

    def test_of_the_guide(self) -> None:
        assert 0.5 < fuzzy_match("fuzzy wuzzy was a bear", "fuzzy wuzzy had no hair") < 0.9


class TestBleu:
    def test_the_same(self) -> None:
        assert bleu("the cat sat on the mat.", "the cat sat on the mat.") == pytest.approx(1.0)

    def test_orders(self) -> None:
        # 5 of 6 words, 3 of 5 pairs, 1 of 4 triples, none of 3 quadruples: half a match.
        expected = math.exp((math.log(5 / 6) + math.log(3 / 5) + math.log(1 / 4) + math.log(0.5 / 3)) / 4)
        assert bleu("the cat sat on the mat", "the cat sat in the mat") == pytest.approx(expected)

    def test_too_short_for_an_order(self) -> None:
        # 2 of 2 words, 1 of 1 pairs, and 3 words wanted: exp(1 - 3/2).
        assert bleu("the cat", "the cat sat") == pytest.approx(math.exp(-0.5))

    def test_nothing_shared(self) -> None:
        assert bleu("dog", "cat") == 0.0
        assert bleu("", "cat") == 0.0
        assert bleu("cat", "") == 0.0

    def test_chinese_by_characters(self) -> None:
        # 4 of 5 characters, 3 of 4 pairs, 2 of 3 triples, 1 of 2 quadruples.
        assert bleu("我喜欢猫吗", "我喜欢猫。") == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


class TestGleu:
    def test_values(self) -> None:
        # The text has 3 + 2 + 1 n-grams, the reference 4 + 3 + 2 + 1; all of the text's are shared.
        assert gleu("the cat sat", "the cat sat down") == pytest.approx(6 / 10)
        assert gleu("the cat sat down", "the cat sat") == pytest.approx(6 / 10)
        assert gleu("a b c", "a b c") == pytest.approx(1.0)
        assert gleu("", "") == 0.0


class TestMeteor:
    def test_the_same(self) -> None:
        # Six matches in one chunk.
        assert meteor("the cat sat on the mat", "the cat sat on the mat") == pytest.approx(1 - 0.5 * (1 / 6) ** 3)

    def test_order(self) -> None:
        # Six matches, precision and recall 1, in the chunks "on the mat", "sat", "the cat".
        assert meteor("on the mat sat the cat", "the cat sat on the mat") == pytest.approx(1 - 0.5 * (3 / 6) ** 3)

    def test_stems(self) -> None:
        # Two matches by stem and one by word, in one chunk, of three words and four.
        mean = 1.0 * 0.75 / (0.9 * 1.0 + 0.1 * 0.75)
        assert meteor("cats running fast", "cat runs fast today") == pytest.approx(mean * (1 - 0.5 * (1 / 3) ** 3))

    def test_nothing_shared(self) -> None:
        assert meteor("dog", "cat") == 0.0
        assert meteor("", "") == 0.0


class TestRouge:
    @pytest.mark.parametrize(
        ("order", "score"),
        [
            # Of 3 and 4 words, 3, 2, 1 n-grams are shared.
            (1, 2 * 3 / 7),
            (2, 2 * 2 / 5),
            (3, 2 * 1 / 3),
            (4, 0.0),
            (5, 0.0),
        ],
    )
    def test_n(self, order: int, score: float) -> None:
        assert rouge_n("The cat, sat", "the cat sat down", order) == pytest.approx(score)

    def test_repetition_counts_as_often_as_it_is_wanted(self) -> None:
        assert rouge_n("the the the the", "the cat", 1) == pytest.approx(2 * 1 / 6)

    def test_l(self) -> None:
        # "police the gunman" of four words and four.
        assert rouge_l("police kill the gunman", "police ended the gunman") == pytest.approx(2 * 3 / 8)
        # "the gunman" alone: what is shared must come in the same order.
        assert rouge_l("the gunman kill police", "police ended the gunman") == pytest.approx(2 * 2 / 8)
        assert rouge_l("", "a") == 0.0

    def test_japanese_and_korean_by_characters(self) -> None:
        assert rouge_l("東京タワー", "東京タワ") == pytest.approx(2 * 4 / 9)
        assert rouge_n("서울역", "서울", 1) == pytest.approx(2 * 2 / 5)

    def test_mixed(self) -> None:
        assert rouge_n("GPT是模型", "gpt 模型", 1) == pytest.approx(2 * 3 / 7)


class TestMetrics:
    @pytest.mark.parametrize("metric", METRICS)
    @given(text=st.text(max_size=40), reference=st.text(max_size=40))
    def test_between_0_and_1(self, metric: str, text: str, reference: str) -> None:
        assert 0.0 <= METRICS[metric](text, reference) <= 1.0 + 1e-9

    @pytest.mark.parametrize("metric", METRICS)
    def test_long_texts_take_no_minutes(self, metric: str) -> None:
        assert METRICS[metric]("word other " * 2000, "other word " * 2000) > 0.3
