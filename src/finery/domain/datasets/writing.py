"""Tells by a text's letters in which language or script it is written, without a model."""

import re

SAMPLE_CHARACTERS = 300
KANA_SHARE = 0.05
"""Of the letters. Japanese has kana in every sentence, Chinese none."""
LETTERS = {
    "ko": (3, re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]+")),
    "zh": (3, re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")),
    "Latn": (1, re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")),
    "Cyrl": (1, re.compile("[\u0400-\u052f]+")),
    "Arab": (1, re.compile("[\u0600-\u06ff\u0750-\u077f]+")),
    "Deva": (1, re.compile("[\u0900-\u097f]+")),
    "th": (1, re.compile("[\u0e00-\u0e7f]+")),
    "el": (1, re.compile("[\u0370-\u03ff]+")),
    "he": (1, re.compile("[\u0590-\u05ff]+")),
}
"""The weight of a letter, since a syllable block or an ideograph says as much as some three others; and the letters."""
KANA = re.compile("[\u3041-\u30ff\u31f0-\u31ff]+")
LATIN = re.compile("[A-Za-z]")
NO_LETTERS = "Zyyy"


def writing_of(text: str) -> str:
    """Return `ko`, `ja`, `zh`, `th`, `el` or `he`, else the script's ISO 15924 code; `Zyyy` for a text without letters.

    Only the first 300 characters are looked at.
    """
    sample = text[:SAMPLE_CHARACTERS]
    if sample.isascii():
        return "Latn" if LATIN.search(sample) else NO_LETTERS
    kana = _count(KANA, sample)
    weights = {name: weight * _count(letters, sample) for name, (weight, letters) in LETTERS.items()}
    if kana and kana >= KANA_SHARE * (kana + _count(LETTERS["zh"][1], sample)):
        weights["ja"] = 3 * kana + weights.pop("zh")
    name = max(weights, key=lambda found: weights[found])
    return name if weights[name] else NO_LETTERS


def _count(letters: re.Pattern[str], text: str) -> int:
    return sum(map(len, letters.findall(text)))
