"""`python -m finery.trainers.measuring`: measures a dataset in tokens, as the recipe's trainer would encode it.

A MeasurementRequest is read from stdin; a Measurement or MeasurementRefused goes to stdout, both as JSON.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.datasets import Conversation, Feedback, InfoRefused, Preference, RowRefused, Text
from finery.contracts.datasets.examples import Example
from finery.contracts.datasets.info import open_source
from finery.contracts.datasets.measurement import (
    Measurement,
    MeasurementRefused,
    MeasurementRequest,
    RowFailure,
    TokenLengths,
)
from finery.contracts.datasets.report import MAX_NAMED, Place, RowWarning, WarningKind
from finery.contracts.datasets.row_reader import DatasetReader
from finery.contracts.recipes.base import MODEL
from finery.kit.limits import confine
from finery.kit.tables import BrokenRow, Row, UnreadableTable
from finery.kit.text_chunks import GZIP_MAGIC
from finery.trainers.builtin import ensure_builtin
from finery.trainers.encoding import MASKED, Encoder
from finery.trainers.errors import ModelMisfit, TrainingRefused
from finery.trainers.loading import load_tokenizer
from finery.trainers.rendering import RowNotEncodable, TemplateRefused

PACKED_RATIO = 5
"""How many times its size a gzipped or Parquet file is assumed to hold."""
SHORTEST_TOLD = 4
"""A reason that repeats a row's text of at least so many characters is reported without it."""

WARNINGS = {
    WarningKind.TOOLS_LEFT_OUT: "has tools that the chat template leaves out: the model is not told of them",
    WarningKind.REASONING_LEFT_OUT: "has reasoning that the chat template leaves out, and is trained without it",
    WarningKind.CONTROL_TOKENS: "spells a special token of the model in a message's text, which becomes that token",
}
MEMORY_BYTES = 2 * 2**30
"""Beside the libraries' memory; a rendering has a smaller bound of its own."""
CPU_SECONDS = 300


def main() -> int:
    confine(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    request = MeasurementRequest.model_validate_json(sys.stdin.buffer.read())
    print(answer(request).model_dump_json())
    return 0


def answer(request: MeasurementRequest) -> Measurement | MeasurementRefused:
    """Measures, and turns every expected error into a MeasurementRefused."""
    try:
        return measure(request)
    except TemplateRefused as error:
        return MeasurementRefused(refused=str(error), would_fail=True)
    except ModelMisfit as error:
        return MeasurementRefused(refused=str(error), would_fail=True, field=MODEL)
    except MemoryError:
        return MeasurementRefused(refused=f"measuring takes more than {MEMORY_BYTES / 2**30:g} GiB of memory")
    except (TrainingRefused, InfoRefused, UnreadableTable) as error:
        return MeasurementRefused(refused=str(error))
    except OSError as error:
        return MeasurementRefused(refused=f"the file cannot be read: {error.strerror or error}")


def measure(request: MeasurementRequest) -> Measurement:
    """Measures. Raises TrainingRefused without a usable tokenizer, InfoRefused, UnreadableTable, OSError."""
    is_builtin = request.model in BUILTIN_MODELS
    # An adapter has a tokenizer of its own, so that its base need not be merged.
    model = str(ensure_builtin(request.model, request.models_cache)) if is_builtin else request.model
    tokenizer = load_tokenizer(model, request.rules.chat_template)
    encoder = Encoder(tokenizer, split_special_tokens=request.rules.split_special_tokens)
    source = open_source(request.dataset, request.entry)
    counts = _Counts(request, stride=_stride(source.file, request.budget_bytes))
    reader = DatasetReader(source, request.examples)
    for row in reader.rows():
        if not counts.is_due():
            continue
        if isinstance(row, BrokenRow):
            counts.invalid += 1
            continue
        try:
            _, example = reader.read(row)
        except RowRefused:
            counts.invalid += 1
            continue
        if not example.is_trainable:
            counts.idle += 1
            continue
        try:
            pieces = list(_encode(encoder, request, example))
        except RowNotEncodable as error:
            counts.fail(row, _without_content(str(error), example))
            continue
        counts.add(pieces)
        tools = None if isinstance(example, Text) else example.tools
        for kind in encoder.warnings(example.as_conversation(), tools):
            counts.warn(kind, row)
    return counts.measurement()


class Piece(NamedTuple):
    """One sequence that would be trained on, with its sizes in tokens."""

    length: int
    kept: int
    """Tokens that `max_length` leaves of it."""
    trainable: int
    """Kept tokens that are learned."""


def _encode(encoder: Encoder, request: MeasurementRequest, example: Example) -> Iterator[Piece]:
    """Encodes a row as the trainers' `_rows` do, to which a test compares it. Raises RowNotEncodable."""
    longest, rules = request.max_length, request.rules
    match example:
        case Text():
            ids = encoder.text(example)
            if not rules.in_pieces:
                yield _cut(ids, longest)
                return
            for start in range(0, len(ids), longest):
                piece = ids[start : start + longest]
                if len(piece) > 1:
                    yield Piece(len(piece), len(piece), len(piece) - 1)
        case Conversation():
            for row in encoder.conversation(example, completion_only=rules.completion_only_loss):
                yield _cut(row["labels"], longest)
        case Preference():
            encode = encoder.scored if rules.to_the_end else encoder.answer
            prompt, chosen = encode(example.prompt, example.chosen, example.tools)
            prompt_again, rejected = encode(example.prompt, example.rejected, example.tools)
            if rules.same_prompt and prompt != prompt_again:
                raise RowNotEncodable("the chat template renders the prompt differently for its two answers")
            yield _compared(len(prompt), (chosen, rejected), longest)
        case Feedback():
            prompt, completion = encoder.answer(example.prompt, example.completion, example.tools)
            yield _compared(len(prompt), (completion,), longest)


def _cut(labels: Sequence[int], longest: int) -> Piece:
    kept = labels[:longest]
    return Piece(len(labels), len(kept), sum(label != MASKED for label in kept[1:]))


def _compared(prompt: int, answers: Sequence[list[int]], longest: int) -> Piece:
    room = longest - prompt
    length = prompt + max(map(len, answers))
    cut = [answer[: max(0, room)] for answer in answers]
    if room <= 0 or (len(cut) == 2 and cut[0] == cut[1]):
        return Piece(length, 0, 0)
    learned = sum(map(len, cut))
    return Piece(length, learned + prompt * len(cut), learned)


class _Counts:
    def __init__(self, request: MeasurementRequest, *, stride: int) -> None:
        self._request = request
        self._stride = stride
        self._lengths = array("Q")
        self._failures: list[RowFailure] = []
        self._warnings: dict[WarningKind, list[Place]] = {}
        self._rows = self._due = 0
        self._failed = self._truncated = self._vanished = self._kept = self._tokens = self._trainable = 0
        self.invalid = self.idle = 0

    def is_due(self) -> bool:
        """Counts the next row, and returns whether it belongs to the sample."""
        self._rows += 1
        is_due = (self._rows - 1) % self._stride == 0
        self._due += is_due
        return is_due

    def fail(self, row: Row, reason: str) -> None:
        self._failed += 1
        if len(self._failures) < MAX_NAMED:
            self._failures.append(RowFailure(line=row.line, row=row.number, reason=reason))

    def warn(self, kind: WarningKind, row: Row) -> None:
        self._warnings.setdefault(kind, []).append(Place(line=row.line, row=row.number))

    def _all_warnings(self) -> Iterator[RowWarning]:
        for kind, places in self._warnings.items():
            yield RowWarning(kind=kind, message=WARNINGS[kind], count=len(places), places=tuple(places[:MAX_NAMED]))

    def add(self, pieces: Sequence[Piece]) -> None:
        """Counts the pieces of one row."""
        longest = self._request.max_length
        learned = [piece for piece in pieces if piece.trainable]
        lengths = [piece.length for piece in pieces]
        self._lengths.append(sum(lengths) if self._request.rules.in_pieces else max(lengths, default=0))
        if learned:
            self._kept += 1
            self._truncated += any(piece.length > longest for piece in pieces)
        elif any(piece.length > longest for piece in pieces):
            self._vanished += 1
        else:
            self.idle += 1
        self._tokens += sum(piece.kept for piece in learned)
        self._trainable += sum(piece.trainable for piece in learned)

    def measurement(self) -> Measurement:
        return Measurement(
            recipe=self._request.recipe,
            model=self._request.model,
            max_length=self._request.max_length,
            rows=self._rows,
            measured=self._due,
            is_exact=self._stride == 1,
            stride=self._stride,
            invalid=self.invalid,
            failed=self._failed,
            failures=tuple(self._failures),
            idle=self.idle,
            truncated=self._truncated,
            vanished=self._vanished,
            kept=self._kept,
            tokens=self._tokens,
            trainable_tokens=self._trainable,
            warnings=tuple(self._all_warnings()),
            lengths=_lengths(sorted(self._lengths)),
        )


def _lengths(ordered: Sequence[int]) -> TokenLengths:
    if not ordered:
        return TokenLengths()
    last = len(ordered) - 1
    return TokenLengths(
        min=ordered[0],
        mean=round(sum(ordered) / len(ordered), 1),
        p50=ordered[round(last * 0.5)],
        p95=ordered[round(last * 0.95)],
        max=ordered[-1],
    )


def _stride(file: Path, budget: int) -> int:
    """Returns n such that every nth row is about `budget` bytes in all."""
    with file.open("rb") as opened:
        is_packed = opened.read(4)[:2] == GZIP_MAGIC or file.suffix == ".parquet"
    size = file.stat().st_size * (PACKED_RATIO if is_packed else 1)
    return max(1, -(-size // budget))


def _without_content(reason: str, example: Example) -> str:
    """Cuts a reason that repeats a row's text, as a template's own error messages may."""
    texts = (text for text in example.texts() if isinstance(text, str))
    told = any(len(text) >= SHORTEST_TOLD and text in reason for text in texts)
    return reason.partition(":")[0] if told else reason


if __name__ == "__main__":
    sys.exit(main())
