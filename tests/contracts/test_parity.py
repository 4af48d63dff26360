import pytest

from finery.contracts.parity import Comparison, Completion, Entry, Precision, Prompt, Record, Served, compare


def said(
    *tokens: int,
    logprobs: list[float] | None = None,
    prompt: list[int] | None = None,
    rivals: list[list[int]] | None = None,
) -> Completion:
    return Completion(
        prompt=prompt or [1], tokens=list(tokens), logprobs=logprobs or [-1.0] * len(tokens), rivals=rivals or []
    )


def compared(
    trained: Completion, served: Completion, *, trained_in: Precision = "float32", served_in: Precision = "float32"
) -> Comparison:
    record = Record(precision=trained_in, entries=[Entry(asked=Prompt(text="x"), said=trained)])
    return compare(record, Served(precision=served_in, said=[served]))


class TestCompare:
    def test_the_same(self) -> None:
        assert compared(said(5, 6), said(5, 6)) == Comparison(
            max_logprob_difference=0.0, tokens_equal=1.0, prompts_equal=True, tolerance=1e-3, is_same=True
        )

    def test_log_probabilities_apart(self) -> None:
        one = compared(said(5, 6, logprobs=[-1.0, -2.0]), said(5, 6, logprobs=[-1.0, -2.5]))
        assert (one.max_logprob_difference, one.is_same) == (0.5, False)

    def test_the_coarser_precision_sets_the_tolerance(self) -> None:
        trained, served = said(5, logprobs=[-1.0]), said(5, logprobs=[-1.2])
        assert not compared(trained, served).is_same
        assert compared(trained, served, served_in="bfloat16").is_same
        assert compared(trained, served, trained_in="bfloat16").is_same
        assert not compared(trained, served, served_in="float16").is_same

    def test_another_token_is_told_and_what_follows_is_not_compared(self) -> None:
        one = compared(said(5, 6, 7, logprobs=[-1.0, -2.0, -9.0]), said(5, 8, 7, logprobs=[-1.0, -2.0, -1.0]))
        assert (one.max_logprob_difference, one.tokens_equal, one.is_same) == (0.0, pytest.approx(1 / 3), False)

    def test_a_token_as_good_as_the_other(self) -> None:
        one = compared(said(5, 6), said(5, 8, rivals=[[5], [8, 6]]))
        assert (one.tokens_equal, one.is_same) == (0.5, True)
        assert not compared(said(5, 6), said(5, 8, rivals=[[5], [8, 9]])).is_same

    @pytest.mark.parametrize(("trained", "served"), [(said(5, 6), said(5)), (said(5), said(5, 6)), (said(5), said())])
    def test_an_answer_that_ends_elsewhere(self, trained: Completion, served: Completion) -> None:
        assert not compared(trained, served).is_same

    def test_a_prompt_in_other_tokens(self) -> None:
        one = compared(said(5), said(5, prompt=[1, 2]))
        assert (one.prompts_equal, one.is_same) == (False, False)

    def test_the_worst_of_several_counts(self) -> None:
        entries = [Entry(asked=Prompt(text="x"), said=said(5, logprobs=[-1.0])) for _ in range(2)]
        served = Served(precision="float32", said=[said(5, logprobs=[-1.0]), said(5, logprobs=[-1.5])])
        assert compare(Record(precision="float32", entries=entries), served).max_logprob_difference == 0.5
