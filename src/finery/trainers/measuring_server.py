"""`python -m finery.trainers.measuring_server`: measures one dataset after another, each in a process forked for it.

The libraries are imported once, and whatever a template or tokenizer does ends with its process. The first line on
stdout is `{"ready": true}`; then each line with `seconds` and a `request` on stdin is answered by a line with an
`answer` or what has `failed`. The process ends at the end of stdin.
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
from finery.kit.one_shot_program import describe_exit
from finery.trainers.measuring import MEMORY_BYTES, answer

PRELOADED = (AutoTokenizer, PreTrainedTokenizerFast)
"""Named here because transformers imports a module only when one of its names is used."""
PIECE = 2**16


def main() -> int:
    # A child that collects garbage would otherwise write to, and so copy, every page of the imported libraries.
    gc.freeze()
    _send(ready=True)
    for line in sys.stdin.buffer:
        message = json.loads(line)
        _send(**_in_child(MeasurementRequest.model_validate(message["request"]), message["seconds"]))
    return 0


def _in_child(request: MeasurementRequest, seconds: float) -> dict[str, Any]:
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        _measure(request, sending, seconds)
    os.close(sending)
    try:
        reply, is_whole = _read(receiving, time.monotonic() + seconds)
    finally:
        os.close(receiving)
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not is_whole:
        return {"failed": f"it was not done after {seconds:g} seconds"}
    if code == -HANG_SIGNAL:
        return {"answer": MeasurementRefused(refused=ENDLESS_TEMPLATE, would_fail=True).model_dump()}
    # A child that has answered may still have been killed above before it exited: its reply counts.
    return json.loads(reply) if reply else {"failed": describe_exit(code)}


def _measure(request: MeasurementRequest, sending: int, seconds: float) -> None:
    """Measures in the child process, and ends it."""
    try:
        confine(memory_bytes=MEMORY_BYTES, cpu_seconds=int(seconds) + 1)
        reply: dict[str, Any] = {"answer": answer(request).model_dump(mode="json")}
    except Exception as error:  # noqa: BLE001 - the process's edge: the error goes into the reply
        reply = {"failed": f"{type(error).__name__}: {error}"[:500]}
    with os.fdopen(sending, "wb") as pipe:
        pipe.write(json.dumps(reply).encode())
    os._exit(0)


def _read(receiving: int, deadline: float) -> tuple[bytes, bool]:
    """Returns what was read, and whether the end came before the deadline."""
    reply = b""
    while select.select([receiving], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(receiving, PIECE)
        if not piece:
            return reply, True
        reply += piece
    return reply, False


def _send(**reply: Any) -> None:
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
