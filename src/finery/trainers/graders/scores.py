"""Parses the score in a judge's answer."""

import json
import math
import re

THOUGHTS = re.compile(r"^.*</think>", re.DOTALL)
NUMBER = re.compile(r"(?<![A-Za-z0-9_.])[-+]?(?:[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})(?![A-Za-z0-9_.]*[0-9])")
LONGEST_ANSWER = 200_000


class NoScore(ValueError):
    """The answer holds no score, or more than one."""


def parse_score(answer: str) -> float:
    """Returns the whole answer as a number, the `result` of a JSON object, or the only number in the text.

    Of several numbers none is taken: "7 of 10" may mean 7 or 0.7. Raises NoScore.
    """
    text = THOUGHTS.sub("", answer[-LONGEST_ANSWER:]).strip()
    value = _parsed(text)
    if isinstance(value, dict):
        value = value.get("result", value.get("score"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value)
    numbers = NUMBER.findall(text)
    if len(numbers) != 1:
        raise NoScore("the judge's answer holds no number" if not numbers else "the judge's answer holds several")
    return _finite(float(numbers[0]))


def _parsed(text: str) -> object:
    text = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _finite(number: float) -> float:
    try:
        value = float(number)
    except OverflowError as error:
        raise NoScore("the judge's answer is too large a number") from error
    if not math.isfinite(value):
        raise NoScore("the judge's answer is no finite number")
    return value
