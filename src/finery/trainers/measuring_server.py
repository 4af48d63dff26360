"""`python -m finery.trainers.measuring_server`: measures one dataset after another, each in a process forked for it.

The libraries are imported once, and what a template or a tokenizer does in one process is gone with it. First comes a
line `{"ready": true}`; then, for each line with `seconds` and a `request` on stdin, one on stdout with an `answer` or
what has `failed`. The end of stdin is its own.
"""

import gc
import json
import os
import select
import signal
import sys
import time
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from finery.contracts.chat_prompts import ENDLESS_TEMPLATE
from finery.contracts.datasets.measurement import MeasurementRefused, MeasurementRequest
from finery.kit.limits import HANG_SIGNAL, confine
from finery.kit.one_shot_program import words_of_end
from finery.trainers.measuring import MEMORY_BYTES, answer

PRELOADED = (AutoTokenizer, PreTrainedTokenizerFast)
"""Named, since transformers imports what a name stands for only when it is used."""
PIECE = 2**16


def main() -> int:
    gc.freeze()
    _tell(ready=True)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        _tell(**_in_child(MeasurementRequest.model_validate(asked["request"]), asked["seconds"]))
    return 0


def _in_child(request: MeasurementRequest, seconds: float) -> dict[str, Any]:
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        _measure(request, sending, seconds)
    os.close(sending)
    try:
        told, is_whole = _read(receiving, time.monotonic() + seconds)
    finally:
        os.close(receiving)
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not is_whole:
        return {"failed": f"it was not done after {seconds:g} seconds"}
    if code == -HANG_SIGNAL:
        return {"answer": MeasurementRefused(refused=ENDLESS_TEMPLATE, would_fail=True).model_dump()}
    # One that has answered may have been killed on its way out.
    return json.loads(told) if told else {"failed": words_of_end(code)}


def _measure(request: MeasurementRequest, sending: int, seconds: float) -> None:
    """In the child, which ends here."""
    try:
        confine(memory_bytes=MEMORY_BYTES, cpu_seconds=int(seconds) + 1)
        told: dict[str, Any] = {"answer": answer(request).model_dump(mode="json")}
    except Exception as error:  # noqa: BLE001 - the process's edge: what was wrong has to be told by name
        told = {"failed": f"{type(error).__name__}: {error}"[:500]}
    with os.fdopen(sending, "wb") as pipe:
        pipe.write(json.dumps(told).encode())
    os._exit(0)


def _read(receiving: int, deadline: float) -> tuple[bytes, bool]:
    """What came, and whether that was all before the deadline."""
    told = b""
    while select.select([receiving], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(receiving, PIECE)
        if not piece:
            return told, True
        told += piece
    return told, False


def _tell(**told: Any) -> None:
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
