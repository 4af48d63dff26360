"""Tells numbers from what JSON and Python take for numbers, too."""

import math
from typing import TypeGuard


def is_finite_number(value: object) -> TypeGuard[int | float]:
    """Returns whether it is a number that can be drawn and compared: no bool, NaN or infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
