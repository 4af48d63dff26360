import pytest

from finery.trainers.graders.scores import NoScore, parse_score


class TestScoreIn:
    @pytest.mark.parametrize(
        ("answer", "score"),
        [
            ("0.5", 0.5),
            (" 7\n", 7.0),
            ("-1", -1.0),
            (".5", 0.5),
            ("1e-1", 0.1),
            ("[1]", 1.0),
            ("Score: 0.75", 0.75),
            ("The score is 8.", 8.0),
            ("得分是8分", 8.0),
            ('{"result": 0.25, "steps": []}', 0.25),
            ('```json\n{"result": 1}\n```', 1.0),
            ('{"score": 2}', 2.0),
            ("<think>2 or 3, I think 2</think>\n3", 3.0),
        ],
    )
    def test_reads(self, answer: str, score: float) -> None:
        assert parse_score(answer) == score

    @pytest.mark.parametrize(
        "answer",
        ["", "good", "7 of 10", "7/10", "true", "NaN", "Infinity", '{"result": "1 or 2"}', "1" * 400],
    )
    def test_reads_none(self, answer: str) -> None:
        with pytest.raises(NoScore):
            parse_score(answer)
