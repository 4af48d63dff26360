"""A round from its first start to its verdict, by its kind."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.small_disk import may_mount
from tests.soak import acts, following
from tests.soak.clients import Clients
from tests.soak.engines import SILENCE_SECONDS, Engine
from tests.soak.following import Followers
from tests.soak.plan import Round
from tests.soak.trainings import judge_training, submit, upset
from tests.soak.verdict import Verdict, judge
from tests.soak.world import RoundBroken, World

ACTS: dict[str, Callable[[World], bool]] = {
    "server": acts.kill_server,
    "shim": acts.kill_shim,
    "both": acts.kill_both,
    "server-stop": acts.stop_server,
    "trainer": acts.upset_trainer,
    "streams": acts.kill_server,
    "clock": acts.jump_clock,
    "read-only": acts.lock_home,
}
FAKETIME = "FINERY_TEST_FAKETIME"
"""Environment variable: the library of the package faketime, where it is not at its usual place."""


@dataclass
class Course:
    """How far a round has come."""

    accepted: int = 0
    done: int = 0


def carry_out(world: World, planned: Round) -> tuple[Course, Verdict]:
    """What stops a round before its end is a broken promise like the others."""
    course = Course()
    try:
        return course, _carry_out(world, planned, course)
    except RoundBroken as error:
        return course, Verdict(ends={}, broken={"the round came to a stop": 1}, told=[str(error)])


def _carry_out(world: World, planned: Round, course: Course) -> Verdict:
    kind, times = planned.goal.kind, planned.goal.each_round
    if kind in ACTS:
        return _flow(world, kind, times, course)
    if kind == "engine":
        return _serve(world, times, course, by_hand=planned.number % 2 == 0)
    return _train(world, kind.removeprefix("train-"), times, course)


def _flow(world: World, kind: str, times: int, course: Course) -> Verdict:
    if kind == "clock":
        acts.fake_clock(world, _faketime())
    _begin(world)
    clients = Clients(world)
    followers = None
    if kind == "streams":
        clients = Clients(world, seconds=following.STEP_SECONDS, program=following.PROGRAM)
        followers = Followers(world, clients)
        followers.start()
    with clients:
        for _ in range(times):
            course.done += ACTS[kind](world)
        world.wait_until_up()
    course.accepted = len(clients.accepted)
    if followers is not None:
        followers.finish()
    verdict = judge(world, clients)
    if followers is not None:
        followers.judge(verdict)
    return verdict


def _train(world: World, recipe: str, times: int, course: Course) -> Verdict:
    world.environment["FINERY_WARM_START"] = world.random.choice(("on", "off"))
    _begin(world)
    run_id = submit(world, recipe)
    course.accepted = 1
    for _ in range(times):
        course.done += upset(world, run_id)
    verdict = judge(world)
    judge_training(world, run_id, verdict)
    return verdict


def _serve(world: World, times: int, course: Course, *, by_hand: bool) -> Verdict:
    world.environment["FINERY_ENGINE_SILENCE_SECONDS"] = str(SILENCE_SECONDS)
    _begin(world)
    engine = Engine(world, by_hand=by_hand)
    engine.wait_for_answer()
    for _ in range(times):
        course.done += engine.upset()
        engine.wait_for_answer()
    engine.end()
    return judge(world)


def _begin(world: World) -> None:
    world.start()
    world.wait_until_up()


def lacking(kind: str) -> str | None:
    """What this machine has not that a kind needs."""
    if kind == "clock" and not Path(_faketime()).exists():
        return f"the library of the package faketime ({FAKETIME} names it)"
    if kind == "read-only" and not may_mount():
        return "the right to mount"
    if (kind == "engine" or kind.startswith("train-")) and importlib.util.find_spec("torch") is None:
        return "torch"
    return None


def _faketime() -> str:
    usual = f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1"
    return os.environ.get(FAKETIME, usual)
