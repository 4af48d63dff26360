import resource
import sys
import time

import pytest

from finery.kit.limits import HANG_SIGNAL, TookTooLong, bounded
from finery.kit.one_shot_program import ProgramFailed, run_program

MEGABYTE = 2**20
DEAF_SUM = "sum([[]] * 30_000_000, [1] * 10_000)"
CONFINED = "from finery.kit.limits import confine; confine(memory_bytes=64 * 2**20, cpu_seconds=1)\n"


def spin() -> None:
    while True:
        pass


class TestBounded:
    def test_memory(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_DATA)
        # More than a process that has long been at work may hold free already: that it may use again.
        with pytest.raises(MemoryError), bounded(memory_bytes=64 * MEGABYTE, cpu_seconds=5):
            bytearray(4096 * MEGABYTE)
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
        assert len(bytearray(80 * MEGABYTE)) == 80 * MEGABYTE

    def test_what_the_process_had_before_does_not_count(self) -> None:
        held = bytearray(80 * MEGABYTE)
        with bounded(memory_bytes=64 * MEGABYTE, cpu_seconds=5):
            assert len(bytearray(32 * MEGABYTE)) < len(held)

    def test_time_of_the_processor(self) -> None:
        with pytest.raises(TookTooLong), bounded(memory_bytes=64 * MEGABYTE, cpu_seconds=0.05):
            spin()

    def test_one_operation_that_hears_no_signal_ends_its_process(self) -> None:
        code = "from finery.kit.limits import bounded\nwith bounded(memory_bytes=2**30, cpu_seconds=0.01): " + DEAF_SUM
        with pytest.raises(ProgramFailed) as caught:
            run_program([sys.executable, "-c", code], b"", seconds=60)
        assert caught.value.code == -HANG_SIGNAL

    def test_waiting_is_no_time_of_the_processor_and_nothing_comes_later(self) -> None:
        with bounded(memory_bytes=64 * MEGABYTE, cpu_seconds=0.02):
            time.sleep(0.1)
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass


class TestConfine:
    @pytest.mark.parametrize(
        ("code", "says"),
        [
            ("bytearray(80 * 2**20)", "^MemoryError$"),
            ("while True: pass", "more time of the processor than it may"),
        ],
    )
    def test_a_program_that_takes_more_ends(self, code: str, says: str) -> None:
        with pytest.raises(ProgramFailed, match=says):
            run_program([sys.executable, "-c", CONFINED + code], b"", seconds=30)

    def test_what_was_there_before_is_kept_and_others_go_first(self) -> None:
        code = (
            "held = bytearray(100 * 2**20)\n"
            + CONFINED
            + "import os; print(len(bytearray(2**20)), os.nice(0), open('/proc/self/oom_score_adj').read().strip())"
        )
        assert run_program([sys.executable, "-c", code], b"", seconds=30) == b"1048576 10 1000\n"
