"""The number in a judge's answer."""

import json
import math
import re

THOUGHTS = re.compile(r"^.*</think>", re.DOTALL)
NUMBER = re.compile(r"(?<![A-Za-z0-9_.])[-+]?(?:[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})(?![A-Za-z0-9_.]*[0-9])")
LONGEST_ANSWER = 200_000


class Unscored(ValueError):
    """The answer holds no score, or more than one."""


def score_in(answer: str) -> float:
    """The whole answer as a number; the `result` of a JSON object; or the only number that stands in the text.

    Of several numbers none is taken: whether "7 of 10" means 7 or 0.7 is not for us to say. Raises Unscored.
    """
    text = THOUGHTS.sub("", answer[-LONGEST_ANSWER:]).strip()
    told = _parsed(text)
    if isinstance(told, dict):
        told = told.get("result", told.get("score"))
    if isinstance(told, int | float) and not isinstance(told, bool):
        return _finite(told)
    numbers = NUMBER.findall(text)
    if len(numbers) != 1:
        raise Unscored("the judge's answer holds no number" if not numbers else "the judge's answer holds several")
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
        raise Unscored("the judge's answer is too large a number") from error
    if not math.isfinite(value):
        raise Unscored("the judge's answer is no finite number")
    return value
