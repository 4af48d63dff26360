"""Parses tool calls from a streamed answer, in the form in which the model's chat template writes them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from finery.contracts.chat_prompts import PROBE_ARGUMENTS, PROBE_NAME, ChatPrompts, NotRenderable, calling_probe
from finery.contracts.datasets.messages import JsonObject
from finery.engines.transformers.text import open_length

QUESTION: JsonObject = {"role": "user", "content": "finery asks"}
ANSWER = "finery says"
PARAMETERS: JsonObject = {"type": "object", "properties": {"finery": {"type": "integer"}}}
TOOLS: list[JsonObject] = [
    {"type": "function", "function": {"name": PROBE_NAME, "description": "Probes.", "parameters": PARAMETERS}}
]
ARGUMENT_KEYS = ("arguments", "parameters")
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class CallForm:
    """The form of one call: `open`, its JSON, `close`. The JSON is `parts` around the name and the arguments."""

    open: str
    close: str
    between: str | None
    """The text between the JSON of two calls; None: the model makes one call at a time."""
    parts: tuple[str, str, str]
    has_more_keys: bool
    """Whether the JSON holds more than name and arguments, such as the call's id."""

    @property
    def mark(self) -> str:
        """The text that a call is recognized by; empty where it is by its JSON alone."""
        return self.open.strip()


def shows_tools(prompts: ChatPrompts) -> bool:
    """Returns whether the chat template writes tools into the prompt."""
    try:
        return PROBE_NAME in prompts.text([QUESTION], TOOLS, prompt=True)
    except NotRenderable:
        return False


def find_form(prompts: ChatPrompts) -> CallForm | None:
    """Returns the form in which the template writes calls; None where that is no JSON of name and arguments."""
    try:
        plain = prompts.text([QUESTION, {"role": "assistant", "content": ANSWER}], TOOLS)
        call = _rendered_calls(plain, prompts.text([QUESTION, calling_probe()], TOOLS))
    except NotRenderable:
        return None
    found = None if call is None else _find_json(call)
    if call is None or found is None:
        return None
    start, end, parts, has_more_keys = found
    return CallForm(call[:start], call[end:], _between(prompts, plain, call[start:end]), parts, has_more_keys)


def _rendered_calls(plain: str, calling: str) -> str | None:
    """Returns the calls alone: the rendering without what precedes and follows an ordinary answer, too."""
    before, said, after = plain.rpartition(ANSWER)
    shared = next((at for at, pair in enumerate(zip(before, calling, strict=False)) if len(set(pair)) > 1), len(before))
    if not said or before[shared:].strip() or not calling.endswith(after):
        return None
    return calling[shared : len(calling) - len(after)]


def _find_json(written: str) -> tuple[int, int, tuple[str, str, str], bool] | None:
    """Returns start and end of the call's JSON, its fixed parts, and whether it holds more keys."""
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
        two = _rendered_calls(plain, prompts.text([QUESTION, calling_probe(2)], TOOLS))
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
    """Splits the text of an answer, as it arrives, into plain text and calls.

    What begins like a call and turns out to be none becomes text after all. White space next to calls is dropped.
    """

    def __init__(self, form: CallForm, *, max_calls: int | None) -> None:
        self._form = form
        self._max_calls = max_calls
        self._buffer = ""
        self._new_text = ""
        self._read_next: Callable[[], bool] = self._read_text
        self._calls = 0
        self._has_text = False
        self._skips_space = False
        self._texts: list[str] = []
        self._found_calls: list[ToolCall] = []

    @property
    def has_called(self) -> bool:
        return self._calls > 0

    @property
    def has_enough(self) -> bool:
        return self._calls == self._max_calls

    def push(self, text: str) -> tuple[str, list[ToolCall]]:
        """Takes the next text, and returns the plain text and the calls that are certain by now."""
        self._buffer += text
        self._new_text = text
        while not self.has_enough and self._read_next():
            pass
        plain, calls = "".join(self._texts), self._found_calls
        self._texts, self._found_calls = [], []
        return plain, calls

    def flush(self) -> str:
        """Returns the plain text that is left at the end."""
        left, self._buffer = self._buffer, ""
        is_passed = self.has_enough or self._read_next == self._read_close
        return "" if self.has_called and (is_passed or not left.strip()) else left

    def _read_text(self) -> bool:
        """Emits the text before the next call. Each `_read_…` returns whether the next can go on at once."""
        if self._skips_space:
            self._buffer = self._buffer.lstrip()
        at = self._next_call()
        if at is None:
            self._emit_text(len(self._buffer) - self._undecided())
            return False
        self._emit_text(len(self._buffer[:at].rstrip()))
        self._buffer = self._buffer.lstrip()
        self._read_next = self._read_call
        return True

    def _next_call(self) -> int | None:
        """Returns where the next call begins. Without a mark, only a whole answer can be a call."""
        if self._form.mark:
            at = self._buffer.find(self._form.mark)
            return at if at >= 0 else None
        start = len(self._buffer) - len(self._buffer.lstrip())
        return start if self._buffer.startswith("{", start) and not self._has_text else None

    def _undecided(self) -> int:
        """Returns how much of the buffer's end may yet belong to a call: white space, the start of a mark."""
        part = open_length(self._buffer, self._form.mark)
        rest = self._buffer[: len(self._buffer) - part]
        return part + len(rest) - len(rest.rstrip())

    def _emit_text(self, length: int) -> None:
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        self._texts.append(text)
        self._has_text = self._has_text or text != ""
        self._skips_space = self._skips_space and text == ""

    def _read_call(self) -> bool:
        """Takes the JSON of one call behind its mark, once all of it is there."""
        # Parsing the whole buffer after every token would take quadratic time.
        if "}" not in self._new_text:
            return False
        behind = self._buffer.removeprefix(self._form.mark)
        start = len(self._buffer) - len(behind.lstrip())
        try:
            value, end = DECODER.raw_decode(self._buffer, start)
        except (ValueError, RecursionError):
            return False
        call = self._call_of(value)
        if call is None:
            self._emit_text(end)
            self._read_next = self._read_text
            return True
        self._found_calls.append(call)
        self._calls += 1
        self._buffer, self._read_next = self._buffer[end:], self._read_close
        return True

    def _call_of(self, value: object) -> ToolCall | None:
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            return None
        arguments: object = next((value[key] for key in ARGUMENT_KEYS if key in value), {})
        if not isinstance(arguments, dict):
            return None
        return ToolCall(self._calls, value["name"], json.dumps(arguments, ensure_ascii=False))

    def _read_close(self) -> bool:
        """Skips what closes a call, or separates it from the next. A call counts even if it is not closed."""
        ways = [(self._form.close, self._read_text), (self._form.between or "", self._read_call)]
        wanted = [(passed, then) for passed, then in ways if passed.strip()]
        for passed, then in wanted:
            if match := _spaced(passed).match(self._buffer):
                self._buffer, self._read_next, self._skips_space = self._buffer[match.end() :], then, True
                return True
        if any(_packed(passed).startswith(_packed(self._buffer)) for passed, _ in wanted):
            return False
        self._read_next, self._skips_space = self._read_text, True
        return True


def _spaced(text: str) -> re.Pattern[str]:
    """Returns a pattern of the text with any white space around it and wherever it has some."""
    return re.compile(r"\s*" + r"\s*".join(re.escape(piece) for piece in text.split()))


def _packed(text: str) -> str:
    return "".join(text.split())
