import math

import pytest
import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from finery.engines.transformers.sampling import RequestSampler, Sampling, keep_top_k, keep_top_p

LOGITS = torch.randn(50, generator=torch.Generator().manual_seed(0)) * 3
CPU = torch.device("cpu")


class TestKeepTopK:
    @pytest.mark.parametrize("top_k", [1, 5, 50])
    def test_equals_transformers(self, top_k: int) -> None:
        expected = TopKLogitsWarper(top_k)(None, LOGITS[None])[0]
        assert torch.equal(keep_top_k(LOGITS, top_k=top_k), expected)

    @pytest.mark.parametrize("top_k", [-1, 0, 51])
    def test_leaves_all_in(self, top_k: int) -> None:
        assert torch.equal(keep_top_k(LOGITS, top_k=top_k), LOGITS)


class TestKeepTopP:
    @pytest.mark.parametrize("top_p", [0.01, 0.5, 0.9, 1.0])
    def test_equals_transformers(self, top_p: float) -> None:
        expected = TopPLogitsWarper(top_p)(None, LOGITS[None])[0]
        assert torch.equal(keep_top_p(LOGITS, top_p=top_p), expected)


class TestRequestSampler:
    def test_same_seed_same_tokens(self) -> None:
        runs = [
            [sampler.choose(LOGITS).token for _ in range(20)]
            for seed in (7, 7, 8)
            for sampler in [RequestSampler(Sampling(seed=seed), [], CPU)]
        ]
        assert runs[0] == runs[1] != runs[2]

    def test_draws_from_the_distribution_of_transformers(self) -> None:
        settings = Sampling(temperature=0.7, top_k=5, top_p=0.9, seed=0)
        sampler = RequestSampler(settings, [], CPU)
        drawn = torch.bincount(torch.tensor([sampler.choose(LOGITS).token for _ in range(4000)]), minlength=50) / 4000
        scores = LOGITS[None]
        for warper in (TemperatureLogitsWarper(0.7), TopKLogitsWarper(5), TopPLogitsWarper(0.9)):
            scores = warper(None, scores)
        assert torch.allclose(drawn, scores.softmax(-1)[0], atol=0.03)

    def test_repetition_penalty_equals_transformers(self) -> None:
        prompt = [int(LOGITS.argmax()), 3]
        sampler = RequestSampler(Sampling(temperature=0, repetition_penalty=1.8), prompt, CPU)
        expected = RepetitionPenaltyLogitsProcessor(1.8)(torch.tensor([prompt]), LOGITS[None].clone())[0].argmax()
        assert sampler.choose(LOGITS).token == int(expected)

    def test_frequency_penalty_grows_with_each_repetition(self) -> None:
        logits = torch.tensor([1.0, 0.0])
        sampler = RequestSampler(Sampling(temperature=0, frequency_penalty=0.4), [0, 0, 0, 0], CPU)
        assert [sampler.choose(logits).token for _ in range(4)] == [0, 0, 0, 1]

    def test_presence_penalty_counts_once(self) -> None:
        logits = torch.tensor([1.0, 0.0])
        sampler = RequestSampler(Sampling(temperature=0, presence_penalty=0.9), [], CPU)
        assert [sampler.choose(logits).token for _ in range(4)] == [0, 0, 0, 0]

    def test_reports_the_models_own_probabilities(self) -> None:
        logits = torch.tensor([0.0, math.log(3.0)])
        sampled = RequestSampler(Sampling(temperature=0, logprobs=2), [], CPU).choose(logits)
        assert sampled.token == 1
        assert sampled.logprob == pytest.approx(math.log(0.75))
        assert [token for token, _ in sampled.rivals] == [1, 0]

    def test_reports_no_more_than_the_vocabulary_has(self) -> None:
        sampled = RequestSampler(Sampling(temperature=0, logprobs=5), [], CPU).choose(torch.tensor([0.0, 1.0]))
        assert [token for token, _ in sampled.rivals] == [1, 0]
