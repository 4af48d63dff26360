"""`python -m tests.soak [--shard 1/4] [--minutes 30]`: rounds of kills until the plan is fulfilled, or the time is up.

Each round that came to its end is a line of results.jsonl; started again, it goes on with what is missing there. With
`--table` it prints the tables of docs/reliability.md, with `--write` it puts them there.
"""

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests import databases
from tests.soak import results, table
from tests.soak.plan import GOALS, Goal, Round, Shard, next_round
from tests.soak.results import RESULTS, Result
from tests.soak.rounds import carry_out, lacking
from tests.soak.verdict import Verdict
from tests.soak.world import keep, world


def main() -> int:
    arguments = _arguments()
    if arguments.table or arguments.write:
        text = table.tables(GOALS, results.read(arguments.results))
        if arguments.write:
            table.write(table.DOCUMENT, text)
        else:
            print(text, end="")
        return 0
    goals = _goals(arguments.kind, arguments.database)
    # As Ctrl-C: the round that is under way counts nothing, and nothing of it stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return soak(goals, arguments.results, arguments.shard, arguments.minutes, arguments.rounds)
    except KeyboardInterrupt:
        print("interrupted; started again, it goes on with this round")
        return 130


def soak(goals: list[Goal], path: Path, shard: Shard, minutes: float, most: int | None = None) -> int:
    """1 when a round broke a promise. A round in which the time is up is finished."""
    deadline, carried_out, is_broken = time.monotonic() + minutes * 60, 0, False
    while time.monotonic() < deadline and carried_out != most:
        planned = next_round(goals, results.read(path), shard)
        if planned is None:
            print("nothing is missing")
            break
        result = _carry_out(planned)
        results.append(path, result)
        carried_out += 1
        is_broken = is_broken or result.is_broken
    return 1 if is_broken else 0


def _carry_out(planned: Round) -> Result:
    goal, at, began = planned.goal, datetime.now(UTC), time.monotonic()
    commit = results.commit()
    print(f"{at:%H:%M:%S} {goal.kind} {goal.database} {planned.number}: ", end="", flush=True)
    with world(goal.database, planned.seed) as made:
        try:
            course, verdict = carry_out(made, planned)
        except Exception as error:
            # A fault of the soak itself: no result, but something to look at.
            keep(made, repr(error))
            print(f"kept: {made.folder}")
            raise
        if any(verdict.broken.values()):
            keep(made, "\n".join(verdict.told))
        result = Result(
            kind=goal.kind,
            database=goal.database,
            number=planned.number,
            seed=planned.seed,
            commit=commit,
            at=f"{at:%Y-%m-%dT%H:%M:%SZ}",
            seconds=round(time.monotonic() - began, 1),
            done=course.done,
            kills=dict(made.kills),
            accepted=course.accepted,
            ends=verdict.ends,
            started_again=verdict.started_again,
            broken=verdict.broken,
        )
        _tell(result, verdict, made.folder)
    return result


def _tell(result: Result, verdict: Verdict, folder: Path) -> None:
    kills = ", ".join(f"{count} {actor}" for actor, count in result.kills.items())
    print(f"{result.seconds:.0f} s, {kills}; {result.accepted} runs: {result.ends}", flush=True)
    for line in verdict.told:
        print(f"    {line}")
    if verdict.told:
        print(f"    kept: {folder}", flush=True)


def _goals(kinds: list[str] | None, wanted: list[str] | None) -> list[Goal]:
    there = set(databases.wanted())
    chosen = [goal for goal in GOALS if not kinds or goal.kind in kinds]
    for name in sorted({goal.database for goal in chosen} - there):
        print(f"{name} does not answer; its rounds are left out", file=sys.stderr)
    for kind in dict.fromkeys(goal.kind for goal in chosen):
        if (what := lacking(kind)) is not None:
            print(f"{kind}: this machine lacks {what}; its rounds are left out", file=sys.stderr)
            chosen = [goal for goal in chosen if goal.kind != kind]
    return [goal for goal in chosen if goal.database in there and (not wanted or goal.database in wanted)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--shard", type=Shard.parse, default=Shard(1, 1), help="the first of four: 1/4")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no round is begun")
    parser.add_argument("--rounds", type=int, help="how many at most")
    parser.add_argument("--kind", action="append", choices=sorted({goal.kind for goal in GOALS}))
    parser.add_argument("--database", action="append", choices=sorted({goal.database for goal in GOALS}))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the tables, and do nothing")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    # What the machine else does comes first.
    os.nice(10)
    sys.exit(main())
