import errno
import logging
import os
import resource
from pathlib import Path

import pytest

from finery.scheduler.back_off import LONGEST_SECONDS, PROBED_DESCRIPTORS, BackOff, probe
from tests.clock import Clock
from tests.small_disk import fill, small_disk


class TestBackOff:
    def test_grows_and_ends(self) -> None:
        clock = Clock()
        back_off = BackOff(lambda: None, clock)
        waits = []
        for _ in range(8):
            back_off.begin("r", "no room")
            waits.append(back_off.seconds())
            clock.now += waits[-1]
            assert back_off.seconds() == 0.0
        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_SECONDS, LONGEST_SECONDS]
        back_off.end()
        back_off.begin("r", "no room")
        assert back_off.seconds() == 1.0

    def test_nothing_is_tried_while_the_probe_fails(self) -> None:
        clock, lacking = Clock(), [OSError(errno.ENOSPC, "No space left on device")]
        back_off = BackOff(lambda: _raise(lacking), clock)
        back_off.begin("r", "no room")
        clock.now += 1.0
        assert back_off.seconds() == 2.0
        clock.now += 2.0
        assert back_off.seconds() == 4.0
        lacking.clear()
        clock.now += 4.0
        assert back_off.seconds() == 0.0

    def test_says_so_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        back_off = BackOff(lambda: None, Clock())
        told = [back_off.begin(run_id, "no room") for run_id in ("a", "a", "b", "a")]
        back_off.end()
        back_off.end()
        assert [message is not None for message in told] == [True, False, True, False]
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


class TestProbe:
    def test_leaves_nothing(self, tmp_path: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        probe(tmp_path / "state")
        assert (list((tmp_path / "state").iterdir()), len(os.listdir("/proc/self/fd"))) == ([], before)

    def test_of_a_full_disk(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "small", "512k") as place:
            fill(place)
            with pytest.raises(OSError, match="No space left"):
                probe(place)

    def test_of_few_descriptors(self, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = {int(name) for name in os.listdir("/proc/self/fd")}
        free = [number for number in range(len(taken) + PROBED_DESCRIPTORS) if number not in taken]
        # The limit is on a descriptor's number: half as many as are tried lie free below it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[PROBED_DESCRIPTORS // 2], hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                probe(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert list(tmp_path.iterdir()) == []


def _raise(errors: list[OSError]) -> None:
    if errors:
        raise errors[0]
