"""Requests made from the document: values at their bounds, valid ones and invalid ones; some name what exists."""

import copy
import itertools
import json
import random
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import schemathesis
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.config import GenerationConfig, SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.transport.serialization import Binary

from tests.builders import ROW
from tests.fuzz.objects import CHAT, NEW, NOTHING
from tests.fuzz.world import World

ODD: list[Any] = [
    "", "\0", "a\0b", "\ud800", "\u202e", "\ufffe", "x" * 100_000, "%s", "' OR ''='", "../" * 20, "NaN", "1e5",
    0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, 1e308, -0.0, True, None, [], {}, [[]], {"": None},
]  # fmt: skip
ODD_TEXTS = [odd for odd in ODD if isinstance(odd, str) and odd not in ("", "\ud800")]
"""That an address can hold; a path also holds no slash."""
RAW = [
    b"", b"{", b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a":NaN}', b'{"a":1e999}', b'{"a":1,"a":2}',
    b'"\\ud800"', b"\xff\xfe", b"null", b"[]", b"0", b'"text"', b"1" * 5_000,
]  # fmt: skip
NAMED = 0.7
"""How often a parameter names what exists."""
SENSIBLE = 0.3
"""How often all fields of a body or query that could name something do, so that they go together."""
ODDLY_NAMED = 0.3
"""How often it is odd otherwise."""
KNOWN = 0.3
"""How often one does otherwise."""
MANGLED = 0.15
"""How often a value of a body or query is replaced by an odd one, or the body by odd bytes."""
ENDLESS = "GET /api/v1/runs/{run_id}/events/stream"
"""Of a run that has not ended it stays open."""
UNASKED = "GET /api/v1/events/stream"
"""It stays open whatever there is."""
SLOW = "POST /api/v1/datasets/check"
"""With a model that exists it starts a process that imports the training stack, which takes seconds."""
ENDED = ("succeeded", "failed", "cancelled", NOTHING)
HEADERS = {"Range", "Last-Event-ID", "Idempotency-Key"}
FILES = [
    ROW.encode(), CHAT.encode(), b"", b"\0", b"\xef\xbb\xbf" + ROW.encode(), ROW.encode("utf-16"), ROW.encode()[:-4],
    b'{"prompt": "\\ud800", "completion": NaN}\n', b"[" * 10_000, b"PAR1", b"a,b\n1,2\n", b"\n" * 1_000, b"null\n",
]  # fmt: skip
"""Of datasets, whole and broken."""
UNLISTED = {"/docs": "text/html", "/docs/{name}": "*/*", "/openapi.json": "application/json"}
"""Routes that the document leaves out, with what they answer."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Asked:
    case: Case
    is_judged: bool
    """Schemathesis still knows whether the schema allows it."""


def make_cases(world: World, count: int, seed: int) -> list[Asked]:
    """As many of each operation where there are so many to be made, in an order of the seed's."""
    operations = list(operations_of(world))
    chosen = random.Random(seed)
    cases: list[Case] = []
    while len(cases) < count:
        # Of an operation without parameters there are few: the others have their share in the next round.
        chosen.shuffle(operations)
        share, rest = divmod(count - len(cases), len(operations))
        for number, operation in enumerate(operations):
            of_operation = chosen.getrandbits(32) ^ zlib.crc32(operation.label.encode())
            cases += _cases_of(operation, share + (number < rest), of_operation)
    chosen.shuffle(cases)
    return [Asked(case, is_judged=not _touch_up(case, world, chosen)) for case in cases]


def operations_of(world: World) -> Iterator[APIOperation]:
    schema = _load(world)
    schema.app = world.app
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        if found.ok().label != UNASKED:
            yield found.ok()


def _load(world: World) -> BaseSchema:
    """The document, and what it does not list."""
    document = copy.deepcopy(world.document)
    document["paths"] |= {path: {"get": _unlisted(path, media_type)} for path, media_type in UNLISTED.items()}
    config = SchemathesisConfig()
    config.projects.default.generation.update(with_security_parameters=False)
    config.projects.default.checks.negative_data_rejection.expected_statuses = ["4xx", "503"]
    return schemathesis.openapi.from_dict(document, config=config)


def _unlisted(path: str, media_type: str) -> dict[str, Any]:
    errors = {"description": "of the jobs dialect", "content": {"application/json": {}}}
    found: dict[str, Any] = {"responses": {"200": {"description": "", "content": {media_type: {}}}, "422": errors}}
    if "{name}" in path:
        found["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
        found["responses"]["404"] = {"description": ""}
    return found


def _cases_of(operation: APIOperation, count: int, seed: int) -> list[Case]:
    """Of each kind a third, as far as so few can be divided."""
    kinds = random.Random(seed).choices(("bounds", "invalid", "valid"), k=count)
    bounds = _sample(_at_bounds(operation), kinds.count("bounds"), seed)
    invalid = _drawn(operation, GenerationMode.NEGATIVE, kinds.count("invalid"), seed)
    valid = _drawn(operation, GenerationMode.POSITIVE, kinds.count("valid"), seed)
    return bounds + invalid + valid


def _at_bounds(operation: APIOperation) -> Iterator[Case]:
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    generation = GenerationConfig(with_security_parameters=False)
    return operation.schema.iter_coverage_cases(operation, generation_modes=modes, generation_config=generation)


def _sample(cases: Iterable[Case], count: int, seed: int) -> list[Case]:
    if not count:
        return []
    found = list(itertools.islice(cases, 2_000))
    return random.Random(seed).sample(found, min(count, len(found)))


def _drawn(operation: APIOperation, mode: GenerationMode, count: int, seed: int) -> list[Case]:
    """Empty where nothing is invalid, as where there are no parameters."""
    if count == 0:
        return []
    found: list[Case] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def draw(case: Case) -> None:
        found.append(case)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            draw()
        except hypothesis.errors.Unsatisfiable:
            return found
    return found[:count]


def _touch_up(case: Case, world: World, chosen: random.Random) -> bool:
    """Leaves what is invalid in a case as it is. True for a form, whose files Schemathesis cannot judge again."""
    is_sensible = chosen.random() < SENSIBLE
    if case.path_parameters and not _is_invalid(case, ParameterLocation.PATH):
        case.path_parameters = _named(case, world, chosen)
    if case.headers and not _is_invalid(case, ParameterLocation.HEADER):
        for name in sorted(HEADERS & set(case.headers)):
            case.headers[name] = chosen.choice(world.pools[name])
    if case.query and not _is_invalid(case, ParameterLocation.QUERY):
        case.query = _with_words(case.query, world, chosen, is_sensible)
        if chosen.random() < MANGLED:
            case.query = {**case.query, chosen.choice(sorted(case.query)): chosen.choice(ODD_TEXTS)}
    if case.media_type == "multipart/form-data" and isinstance(case.body, dict):
        return _fill_form(case, chosen)
    if case.media_type == "application/json" and not _is_invalid(case, ParameterLocation.BODY):
        _fill_body(case, world, chosen, is_sensible)
    return False


def _fill_body(case: Case, world: World, chosen: random.Random, is_sensible: bool) -> None:
    if isinstance(case.body, dict) and case.operation.label != SLOW:
        case.body = _with_words(case.body, world, chosen, is_sensible)
    accepted = world.accepted.get(case.operation.label)
    if accepted is not None and is_sensible:
        case.body = _near(accepted, case.body, chosen)
    if chosen.random() < MANGLED:
        case.body = chosen.choice(RAW) if chosen.random() < 0.2 else _sendable(_replaced(case.body, chosen))


def _near(accepted: dict[str, Any], drawn: Any, chosen: random.Random) -> dict[str, Any]:
    """A body that is accepted, under a new name where a name must be new, with at most one field of another."""
    found = {name: _new(value, chosen) for name, value in accepted.items()}
    others = sorted(drawn.keys() - accepted.keys()) if isinstance(drawn, dict) else []
    if others and chosen.random() < 0.7:
        name = chosen.choice(others)
        found[name] = drawn[name]
    return found


def _new(value: Any, chosen: random.Random) -> Any:
    if isinstance(value, dict):
        return {name: _new(inner, chosen) for name, inner in value.items()}
    return value.replace(NEW, f"{chosen.getrandbits(32):x}") if isinstance(value, str) else value


def _sendable(body: Any) -> Any:
    """As bytes what holds half a surrogate pair, which is no text to Schemathesis."""
    text = json.dumps(body, ensure_ascii=False)
    return json.dumps(body).encode() if _SURROGATE.search(text) else body


def _fill_form(case: Case, chosen: random.Random) -> bool:
    """Rows in place of pictures."""
    files = [name for name, value in case.body.items() if isinstance(value, Binary | bytes)]
    if not files or chosen.random() > NAMED:
        return False
    case.body = {**case.body, **{name: chosen.choice(FILES) for name in files}}
    return True


def _is_invalid(case: Case, location: ParameterLocation) -> bool:
    return case.meta is None or case.meta.is_negative_at(location)


def _named(case: Case, world: World, chosen: random.Random) -> dict[str, Any]:
    values = dict(case.path_parameters)
    for name in sorted(values.keys() & world.pools.keys()):
        pool = world.pools[name]
        is_endless = case.operation.label == ENDLESS
        if is_endless:
            pool = [run_id for run_id in pool if str(run_id).startswith(ENDED)]
        elif case.method.upper() == "DELETE":
            # The others' requests find the first half still there.
            pool = pool[len(pool) // 2 :]
        if is_endless or chosen.random() < NAMED:
            values[name] = chosen.choice(pool)
        elif chosen.random() < ODDLY_NAMED:
            values[name] = chosen.choice([odd for odd in ODD_TEXTS if "/" not in odd and len(odd) < 1_000])
    return values


def _with_words(values: dict[str, Any], world: World, chosen: random.Random, is_sensible: bool) -> dict[str, Any]:
    found = dict(values)
    for name, value in values.items():
        if name in world.words and (is_sensible or chosen.random() < KNOWN):
            found[name] = world.words[name][0] if is_sensible else chosen.choice(world.words[name])
        elif isinstance(value, dict):
            found[name] = _with_words(value, world, chosen, is_sensible)
    return found


def _replaced(value: Any, chosen: random.Random) -> Any:
    if isinstance(value, dict) and value and chosen.random() < 0.9:
        key = chosen.choice(sorted(value, key=str))
        return {**value, key: _replaced(value[key], chosen)}
    if isinstance(value, list) and value and chosen.random() < 0.8:
        place = chosen.randrange(len(value))
        return [*value[:place], _replaced(value[place], chosen), *value[place + 1 :]]
    return chosen.choice(ODD)
