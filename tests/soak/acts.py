"""What is done to a server, to shims and to trainers while command runs flow. Each act says whether it was done."""

import os
import signal
import subprocess
import time

from tests.small_disk import read_only
from tests.soak.world import RoundBroken, Victims, World

FIND_SECONDS = 20.0
"""For which a victim is looked for: now and then nothing is under way."""
HOUR = 3600
NOT_STARTED = 4
"""The exit code of a server that cannot use its home."""
REFUSAL_SECONDS = 60.0


def restart(world: World) -> None:
    """The server is started anew. Mostly it is up when this returns; else the next kill may meet it while it boots."""
    world.start()
    if world.random.random() < 0.75:
        world.wait_until_up()
    else:
        # However slow the machine is, any moment of the boot may be met, and the first one after it.
        time.sleep(world.random.random() * 1.2 * world.boot_seconds)


def pause(world: World, most: float = 1.2) -> None:
    time.sleep(0.05 + world.random.random() * most)


def find_victims(world: World) -> Victims | None:
    deadline = time.monotonic() + FIND_SECONDS
    while (found := world.live_attempt()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def kill_server(world: World) -> bool:
    pause(world)
    world.kill_server()
    restart(world)
    return True


def kill_shim(world: World) -> bool:
    pause(world, 0.5)
    victims = find_victims(world)
    return victims is not None and world.signal(victims.run_id, "shim", victims.shim, signal.SIGKILL)


def kill_both(world: World) -> bool:
    """In either order, without a pause."""
    pause(world)
    victims = find_victims(world)
    if victims is None:
        return False
    server_first = world.random.random() < 0.5
    if server_first:
        world.kill_server()
    is_killed = world.signal(victims.run_id, "shim", victims.shim, signal.SIGKILL)
    if not server_first:
        world.kill_server()
    restart(world)
    return is_killed


def stop_server(world: World) -> bool:
    """It hangs for some seconds: as long as a laptop sleeps, or a machine swaps."""
    pause(world)
    assert world.server is not None
    world.server.send_signal(signal.SIGSTOP)
    pause(world, 6.0)
    world.server.send_signal(signal.SIGCONT)
    world.kills["stop server"] += 1
    return True


def upset_trainer(world: World) -> bool:
    """Killed, or stopped for a while."""
    pause(world, 0.5)
    victims = find_victims(world)
    if victims is None:
        return False
    if world.random.random() < 0.5:
        return world.signal(victims.run_id, "trainer", victims.trainer, signal.SIGKILL)
    if not world.signal(victims.run_id, "trainer", victims.trainer, signal.SIGSTOP):
        return False
    pause(world, 2.0)
    # It is gone where its run was cancelled meanwhile.
    world.signal(victims.run_id, "trainer", victims.trainer, signal.SIGCONT)
    return True


def jump_clock(world: World) -> bool:
    """The server's clock goes an hour forth or back, and the server is killed: those of shims and trainers stay."""
    pause(world)
    set_clock(world, world.random.choice((-HOUR, 0, HOUR)))
    pause(world, 1.5)
    world.kill_server()
    restart(world)
    return True


def fake_clock(world: World, library: str) -> None:
    """Of servers that are started from now on."""
    set_clock(world, 0)
    world.environment |= {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(world.folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        # A clock that nobody sets does not jump in life either.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }


def set_clock(world: World, seconds: int) -> None:
    path = world.folder / "clock"
    new = path.with_name("clock.new")
    new.write_text(f"{seconds:+d}")
    os.replace(new, path)
    world.kills["jump"] += 1 if seconds else 0


def lock_home(world: World) -> bool:
    """Whoever opens a file of it to write is refused; half of the times the server is killed then, and cannot start."""
    pause(world)
    with read_only(world.home):
        world.kills["read-only"] += 1
        pause(world, 2.5)
        is_killed = world.random.random() < 0.5
        if is_killed:
            world.kill_server()
            _expect_refusal(world)
    if is_killed:
        world.start()
    world.wait_until_up()
    return True


def _expect_refusal(world: World) -> None:
    before = world.log.stat().st_size
    world.start()
    assert world.server is not None
    try:
        code = world.server.wait(REFUSAL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RoundBroken("a server on a read-only home neither started nor ended") from error
    said = world.log.read_bytes()[before:].decode(errors="replace")
    if code != NOT_STARTED or ("Read-only" not in said and "readonly" not in said):
        raise RoundBroken(f"a server on a read-only home ended with {code}: {said[-500:]}")
