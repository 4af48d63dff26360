"""Tool calls in a model's answer: how its chat template writes them, and how they are read while the text arrives."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from finery.contracts.chat_prompts import PROBE_ARGUMENTS, PROBE_NAME, ChatPrompts, NotRenderable, calling_probe
from finery.contracts.datasets.messages import JsonObject

ASKED: JsonObject = {"role": "user", "content": "finery asks"}
SAID = "finery says"
PARAMETERS: JsonObject = {"type": "object", "properties": {"finery": {"type": "integer"}}}
TOOLS: list[JsonObject] = [
    {"type": "function", "function": {"name": PROBE_NAME, "description": "Probes.", "parameters": PARAMETERS}}
]
ARGUMENT_KEYS = ("arguments", "parameters")
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class CallForm:
    """One call is `open`, the JSON, `close`. The JSON is three fixed parts around the name and the arguments."""

    open: str
    close: str
    between: str | None
    """What stands between the JSON of two calls; None: the model makes one call at a time."""
    parts: tuple[str, str, str]
    has_more_keys: bool
    """The JSON holds more than the name and the arguments, an id of the call for one."""

    @property
    def mark(self) -> str:
        """Empty where nothing but its JSON tells a call from other text."""
        return self.open.strip()


def shows_tools(prompts: ChatPrompts) -> bool:
    """Whether the chat template tells the model of its tools."""
    try:
        return PROBE_NAME in prompts.text([ASKED], TOOLS, prompt=True)
    except NotRenderable:
        return False


def find_form(prompts: ChatPrompts) -> CallForm | None:
    """As the template itself writes calls; None where they are no JSON of a name and its arguments."""
    try:
        plain = prompts.text([ASKED, {"role": "assistant", "content": SAID}], TOOLS)
        one = _written(plain, prompts.text([ASKED, calling_probe()], TOOLS))
    except NotRenderable:
        return None
    found = None if one is None else _find_json(one)
    if one is None or found is None:
        return None
    start, end, parts, has_more_keys = found
    return CallForm(one[:start], one[end:], _between(prompts, plain, one[start:end]), parts, has_more_keys)


def _written(plain: str, calling: str) -> str | None:
    """The calls alone: what precedes and follows them precedes and follows ordinary answers, too, but for a space."""
    before, said, after = plain.rpartition(SAID)
    shared = next((at for at, pair in enumerate(zip(before, calling, strict=False)) if len(set(pair)) > 1), len(before))
    if not said or before[shared:].strip() or not calling.endswith(after):
        return None
    return calling[shared : len(calling) - len(after)]


def _find_json(written: str) -> tuple[int, int, tuple[str, str, str], bool] | None:
    """Start and end of the call's JSON, its fixed parts, and whether it holds more keys."""
    for brace in re.finditer(r"\{", written):
        try:
            value, end = DECODER.raw_decode(written, brace.start())
        except ValueError:
            continue
        key = next((key for key in ARGUMENT_KEYS if value.get(key) == PROBE_ARGUMENTS), None)
        if value.get("name") != PROBE_NAME or key is None:
            continue
        parts = _parts(written[brace.start() : end])
        return None if parts is None else (brace.start(), end, parts, len(value) > 2)
    return None


def _parts(call: str) -> tuple[str, str, str] | None:
    pattern = rf'(.*"name"\s*:\s*)"{PROBE_NAME}"(.*:\s*)(?:\{{\s*"finery"\s*:\s*1\s*\}})(.*)'
    match = re.fullmatch(pattern, call, re.DOTALL)
    return None if match is None else (match[1], match[2], match[3])


def _between(prompts: ChatPrompts, plain: str, call: str) -> str | None:
    try:
        two = _written(plain, prompts.text([ASKED, calling_probe(2)], TOOLS))
    except NotRenderable:
        return None
    pieces = [] if two is None else two.split(call)
    return pieces[1] if len(pieces) == 3 else None


@dataclass(frozen=True)
class ToolCall:
    index: int
    name: str
    arguments: str
    """JSON text."""
    id: str = field(default_factory=lambda: f"call_{uuid4().hex[:24]}")


class CallReader:
    """Parts the text of an answer, as it arrives, into what is said and what is called.

    Text that begins like a call and turns out to be none is said after all. White space next to calls is not said.
    """

    def __init__(self, form: CallForm, *, most: int | None) -> None:
        self._form = form
        self._most = most
        self._held = ""
        self._news = ""
        self._reads: Callable[[], bool] = self._read_text
        self._calls = 0
        self._has_said = False
        self._skips_space = False
        self._said: list[str] = []
        self._found: list[ToolCall] = []

    @property
    def has_called(self) -> bool:
        return self._calls > 0

    @property
    def has_enough(self) -> bool:
        return self._calls == self._most

    def push(self, text: str) -> tuple[str, list[ToolCall]]:
        self._held += text
        self._news = text
        while not self.has_enough and self._reads():
            pass
        said, found = "".join(self._said), self._found
        self._said, self._found = [], []
        return said, found

    def flush(self) -> str:
        """What is left at the end, and is no call."""
        left, self._held = self._held, ""
        is_passed = self.has_enough or self._reads == self._read_close
        return "" if self.has_called and (is_passed or not left.strip()) else left

    def _read_text(self) -> bool:
        """Says what stands before the next call. Each reader returns whether another can go on at once."""
        if self._skips_space:
            self._held = self._held.lstrip()
        at = self._next_call()
        if at is None:
            self._say(len(self._held) - self._undecided())
            return False
        self._say(len(self._held[:at].rstrip()))
        self._held = self._held.lstrip()
        self._reads = self._read_call
        return True

    def _next_call(self) -> int | None:
        """Without a mark, an answer is a call from its first character or not at all."""
        if self._form.mark:
            at = self._held.find(self._form.mark)
            return at if at >= 0 else None
        start = len(self._held) - len(self._held.lstrip())
        return start if self._held.startswith("{", start) and not self._has_said else None

    def _undecided(self) -> int:
        """The length of what ends the held text and may yet belong to a call: white space, the start of a mark."""
        mark = self._form.mark
        longest = min(len(mark) - 1, len(self._held))
        part = next((length for length in range(longest, 0, -1) if self._held.endswith(mark[:length])), 0)
        rest = self._held[: len(self._held) - part]
        return part + len(rest) - len(rest.rstrip())

    def _say(self, length: int) -> None:
        said, self._held = self._held[:length], self._held[length:]
        self._said.append(said)
        self._has_said = self._has_said or said != ""
        self._skips_space = self._skips_space and said == ""

    def _read_call(self) -> bool:
        """The JSON of one call behind its mark, once all of it is there."""
        if "}" not in self._news:
            return False
        behind = self._held.removeprefix(self._form.mark)
        start = len(self._held) - len(behind.lstrip())
        try:
            value, end = DECODER.raw_decode(self._held, start)
        except (ValueError, RecursionError):
            return False
        call = self._call_of(value)
        if call is None:
            self._say(end)
            self._reads = self._read_text
            return True
        self._found.append(call)
        self._calls += 1
        self._held, self._reads = self._held[end:], self._read_close
        return True

    def _call_of(self, value: object) -> ToolCall | None:
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            return None
        arguments: object = next((value[key] for key in ARGUMENT_KEYS if key in value), {})
        if not isinstance(arguments, dict):
            return None
        return ToolCall(self._calls, value["name"], json.dumps(arguments, ensure_ascii=False))

    def _read_close(self) -> bool:
        """Past what closes a call, or stands before the next one in a list. A call need not be closed to count."""
        ways = [(self._form.close, self._read_text), (self._form.between or "", self._read_call)]
        wanted = [(passed, then) for passed, then in ways if passed.strip()]
        for passed, then in wanted:
            if match := _spaced(passed).match(self._held):
                self._held, self._reads, self._skips_space = self._held[match.end() :], then, True
                return True
        if any(_packed(passed).startswith(_packed(self._held)) for passed, _ in wanted):
            return False
        self._reads, self._skips_space = self._read_text, True
        return True


def _spaced(text: str) -> re.Pattern[str]:
    """The text, with any white space where it has some, and around it."""
    return re.compile(r"\s*" + r"\s*".join(re.escape(piece) for piece in text.split()))


def _packed(text: str) -> str:
    return "".join(text.split())
