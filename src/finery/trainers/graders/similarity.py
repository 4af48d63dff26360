"""Text similarity metrics of graders (BLEU, GLEU, METEOR, ROUGE, fuzzy match), each from 0 to 1.

Words are runs of letters and digits. Chinese, Japanese and Korean do not separate words by spaces, or not all of
them: there each character counts as a word, as is usual for BLEU.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import snowballstemmer
from rapidfuzz import fuzz, utils
from rapidfuzz.distance import LCSseq

UNSPACED = (
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U000323af"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
WORD_OR_MARK = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
LONGEST_NGRAM = 4

METEOR_ALPHA, METEOR_BETA, METEOR_GAMMA = 0.9, 3.0, 0.5
"""The weight of recall, and the penalty for matches that lie apart: the values of Banerjee & Lavie (2005)."""

_stemmer = snowballstemmer.stemmer("porter")


def fuzzy_match(text: str, reference: str) -> float:
    """Returns rapidfuzz's WRatio, ignoring case and punctuation unless a text is nothing else."""
    processed = utils.default_process(text), utils.default_process(reference)
    return float(fuzz.WRatio(*(processed if all(processed) else (text, reference)))) / 100.0


def bleu(text: str, reference: str) -> float:
    """Returns BLEU of one sentence with n-grams up to 4 (Papineni et al. 2002).

    Orders that the text is too short for are left out, and those without a match are smoothed exponentially: the
    first counts as half a match, the next as a quarter (Chen & Cherry 2014, method 3; sacreBLEU's `exp`).
    """
    words, wanted = WORD_OR_MARK.findall(text), WORD_OR_MARK.findall(reference)
    orders = range(1, min(LONGEST_NGRAM, len(words)) + 1)
    matches = [_overlap(words, wanted, order) for order in orders]
    if not any(matches):
        return 0.0
    smoothing = 1.0
    logs = []
    for order, matched in zip(orders, matches, strict=True):
        if not matched:
            smoothing /= 2.0
        logs.append(math.log((matched or smoothing) / (len(words) - order + 1)))
    brevity = min(0.0, 1.0 - len(wanted) / len(words))
    return math.exp(brevity + sum(logs) / len(logs))


def gleu(text: str, reference: str) -> float:
    """Returns Google's GLEU: the smaller of precision and recall of all n-grams up to 4 (Wu et al. 2016)."""
    words, wanted = WORD_OR_MARK.findall(text), WORD_OR_MARK.findall(reference)
    orders = range(1, LONGEST_NGRAM + 1)
    most = max(sum(_count(words, order) for order in orders), sum(_count(wanted, order) for order in orders))
    return sum(_overlap(words, wanted, order) for order in orders) / most if most else 0.0


def meteor(text: str, reference: str) -> float:
    """Returns METEOR with two of its stages: the same word, then the same Porter stem. Synonyms would need WordNet."""
    words, wanted = WORD.findall(text.lower()), WORD.findall(reference.lower())
    pairs = _aligned(words, wanted)
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(words), len(pairs) / len(wanted)
    mean = precision * recall / (METEOR_ALPHA * precision + (1 - METEOR_ALPHA) * recall)
    chunks = 1 + sum(later != (first[0] + 1, first[1] + 1) for first, later in pairwise(pairs))
    return mean * (1 - METEOR_GAMMA * (chunks / len(pairs)) ** METEOR_BETA)


def rouge_n(text: str, reference: str, order: int) -> float:
    """Returns ROUGE-N: F1 of the n-grams of one length (Lin 2004)."""
    words, wanted = WORD.findall(text.lower()), WORD.findall(reference.lower())
    return _f1(_overlap(words, wanted, order), _count(words, order), _count(wanted, order))


def rouge_l(text: str, reference: str) -> float:
    """Returns ROUGE-L: F1 of the longest common subsequence of words (Lin 2004)."""
    words, wanted = WORD.findall(text.lower()), WORD.findall(reference.lower())
    return _f1(LCSseq.similarity(words, wanted), len(words), len(wanted))


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    "meteor": meteor,
    **{f"rouge_{order}": partial(rouge_n, order=order) for order in range(1, 6)},
    "rouge_l": rouge_l,
}


def _count(words: Sequence[str], order: int) -> int:
    return max(0, len(words) - order + 1)


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(_count(words, order)))


def _overlap(words: Sequence[str], wanted: Sequence[str], order: int) -> int:
    return (_ngrams(words, order) & _ngrams(wanted, order)).total()


def _f1(matched: int, found: int, wanted: int) -> float:
    return 2 * matched / (found + wanted) if found and wanted else 0.0


def _aligned(words: list[str], wanted: list[str]) -> list[tuple[int, int]]:
    """Returns METEOR's alignment as (word, reference word) positions; runs are continued where they can be."""
    partners: dict[int, int] = {}
    for form in (lambda word: word, _stemmer.stemWord):
        _align(list(map(form, words)), list(map(form, wanted)), partners)
    return sorted(partners.items())


def _align(words: list[str], wanted: list[str], partners: dict[int, int]) -> None:
    """Adds the pairs of equal words of which neither has a partner yet."""
    taken = set(partners.values())
    places: dict[str, list[int]] = {}
    for place in range(len(wanted) - 1, -1, -1):
        if place not in taken:
            places.setdefault(wanted[place], []).append(place)
    for index, word in enumerate(words):
        free = places.get(word)
        if index in partners or not free:
            continue
        following = partners.get(index - 1, -2) + 1
        partners[index] = following if following in free else free[-1]
        free.remove(partners[index])
