"""Bodies that no schema allows and that we take all the same: `"5"` and `5.0` for 5, `1` and `"yes"` for true.

Recipes come from YAML and forms, where such spellings are customary; what they mean is never in doubt.
"""

from collections.abc import Iterator
from typing import Any

from schemathesis import Case
from schemathesis.core.jsonschema import make_validator
from schemathesis.transport.serialization import Binary

TRUTHS: dict[Any, bool] = {
    **dict.fromkeys((1, "1", "true", "t", "on", "yes", "y"), True),
    **dict.fromkeys((0, "0", "false", "f", "off", "no", "n"), False),
}


def is_otherwise_spelled(case: Case) -> bool:
    """Whether a body is what the schema asks for, but for the spelling of one number or boolean."""
    found = case.operation.get_body_for_media_type(case.media_type) if case.media_type else None
    if found is None or not isinstance(case.body, dict):
        return False
    validator = make_validator(found.validation_schema, case.operation.schema.adapter.jsonschema_validator_cls)
    return any(validator.is_valid(body) for body in _spellings(_as_text(case.body)))


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_text(inner) for name, inner in value.items()}
    return "" if isinstance(value, Binary | bytes) else value


def _spellings(value: Any) -> Iterator[Any]:
    """The value with one leaf in another spelling."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ({**value, name: spelled} for spelled in _spellings(inner))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], spelled, *value[place + 1 :]] for spelled in _spellings(inner))
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield from _readings(value)


def _readings(value: str | float) -> Iterator[Any]:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in TRUTHS:
        yield TRUTHS[word]
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return
    yield number
    if number.is_integer():
        yield int(number)
