from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from finery.contracts.events import EventType, StatusEvent, TrainerEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.process import ArtifactRef, Exit, Handle, Outcome
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.device_leases import LOCAL_NODE, devices_of_runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.attempts import AttemptRef
from finery.kit.clock import epoch_now, utc_now
from finery.models import RunRow
from tests import builders


@pytest.fixture
def ref(database: Database, home: Path) -> AttemptRef:
    """The attempt of a run `r` that was just claimed."""
    with database.write() as session:
        runs.create(session, builders.sft(home, id="r"), builders.context(home), LOCAL_ADMINISTRATOR)
    return claim_again(database)


def claim_again(database: Database) -> AttemptRef:
    with database.write() as session:
        claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
    assert claim is not None
    return claim.ref


def finish(
    database: Database, ref: AttemptRef, reason: Reason, ending: Exit | None = None, *, has_checkpoint: bool = False
) -> RunStatus | None:
    with database.write() as session:
        decided = attempts.finish(
            session, ref, reason=reason, message="why", ending=ending, max_lost=2, has_checkpoint=has_checkpoint
        )
    return None if decided is None else decided[0]


def status_events(database: Database) -> list[str]:
    with database.read() as session:
        return [
            event.data.to
            for event in runs.list_events(session, "r", LOCAL_ADMINISTRATOR)
            if isinstance(event, StatusEvent)
        ]


def progress(step: int) -> TrainerEvent:
    return TrainerEvent(type=EventType.PROGRESS, at=1.0, data={"step": step, "total_steps": 10, "loss": 0.5})


class TestFinish:
    @pytest.mark.parametrize(
        ("reason", "status"),
        [
            (Reason.COMPLETED, RunStatus.SUCCEEDED),
            (Reason.STOPPED, RunStatus.SUCCEEDED),
            (Reason.ERROR, RunStatus.FAILED),
            (Reason.OOM, RunStatus.FAILED),
            (Reason.KILLED, RunStatus.FAILED),
            (Reason.TIMEOUT, RunStatus.FAILED),
            (Reason.START_FAILED, RunStatus.FAILED),
            (Reason.DISK_FULL, RunStatus.FAILED),
            (Reason.LOST, RunStatus.QUEUED),
            (Reason.PAUSED, RunStatus.QUEUED),
        ],
    )
    def test_the_reason_decides(self, database: Database, ref: AttemptRef, reason: Reason, status: RunStatus) -> None:
        assert finish(database, ref, reason) is status

    def test_a_cancel_wins_over_everything(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            runs.request_cancel(session, "r", LOCAL_ADMINISTRATOR)
        assert finish(database, ref, Reason.COMPLETED) is RunStatus.CANCELLED

    def test_a_pause_that_was_asked_for(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            runs.request_pause(session, "r", LOCAL_ADMINISTRATOR)
        assert finish(database, ref, Reason.PAUSED) is RunStatus.PAUSED

    def test_a_stop_survives_a_lost_attempt(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            runs.request_stop(session, "r", LOCAL_ADMINISTRATOR)
        assert finish(database, ref, Reason.LOST) is RunStatus.QUEUED
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).intent == "stop"

    def test_a_stale_token_changes_nothing(self, database: Database, ref: AttemptRef) -> None:
        finish(database, ref, Reason.LOST)
        again = claim_again(database)
        assert finish(database, ref, Reason.COMPLETED) is None
        assert finish(database, replace(again, token="0" * 32), Reason.COMPLETED) is None
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).status is RunStatus.STARTING

    def test_the_end_is_final(self, database: Database, ref: AttemptRef) -> None:
        finish(database, ref, Reason.COMPLETED)
        assert finish(database, ref, Reason.ERROR) is None
        assert status_events(database) == ["queued", "starting", "succeeded"]

    def test_lost_too_often_fails(self, database: Database, ref: AttemptRef) -> None:
        for _ in range(2):
            assert finish(database, ref, Reason.LOST) is RunStatus.QUEUED
            ref = claim_again(database)
        assert finish(database, ref, Reason.LOST) is RunStatus.FAILED

    def test_a_checkpoint_in_between_forgives(self, database: Database, ref: AttemptRef) -> None:
        checkpoint = TrainerEvent(type=EventType.CHECKPOINT, at=1.0, data={"step": 1})
        for number in range(4):
            with database.write() as session:
                attempts.record_events(session, ref, start=number, end=number + 1, events=[checkpoint])
            assert finish(database, ref, Reason.LOST) is RunStatus.QUEUED
            ref = claim_again(database)

    def test_what_was_killed_goes_on_from_its_checkpoint_so_often(self, database: Database, ref: AttemptRef) -> None:
        ending = Exit(exit_code=None, signal=9, started_at=1.0, finished_at=2.0)
        for _ in range(2):
            assert finish(database, ref, Reason.KILLED, ending, has_checkpoint=True) is RunStatus.QUEUED
            ref = claim_again(database)
        assert finish(database, ref, Reason.KILLED, ending, has_checkpoint=True) is RunStatus.FAILED
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).reason is Reason.KILLED

    @pytest.mark.parametrize("has_checkpoint", [False, True])
    def test_what_the_kernel_ended_for_memory_begins_with_less(
        self, database: Database, ref: AttemptRef, has_checkpoint: bool
    ) -> None:
        ending = Exit(exit_code=None, signal=9, started_at=1.0, finished_at=2.0)
        assert finish(database, ref, Reason.OOM, ending, has_checkpoint=has_checkpoint) is RunStatus.QUEUED

    @pytest.mark.parametrize("reason", [Reason.ERROR, Reason.OOM, Reason.TIMEOUT, Reason.DISK_FULL])
    def test_a_checkpoint_helps_nobody_who_failed_by_himself(
        self, database: Database, ref: AttemptRef, reason: Reason
    ) -> None:
        ending = Exit(exit_code=1, started_at=1.0, finished_at=2.0)
        assert finish(database, ref, reason, ending, has_checkpoint=True) is RunStatus.FAILED

    def test_a_pause_that_was_asked_for_and_then_it_was_killed(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            runs.request_pause(session, "r", LOCAL_ADMINISTRATOR)
        assert finish(database, ref, Reason.KILLED, has_checkpoint=True) is RunStatus.PAUSED

    def test_artifacts_are_recorded_with_their_size(self, database: Database, ref: AttemptRef, home: Path) -> None:
        (home / "model.safetensors").write_bytes(b"12345")
        artifact = ArtifactRef(name="model.safetensors", type="model", path=str(home / "model.safetensors"))
        outcome = Outcome(reason=Reason.COMPLETED, artifacts=[artifact])
        finish(database, ref, Reason.COMPLETED, Exit(exit_code=0, finished_at=1.0, outcome=outcome))
        with database.read() as session:
            found = runs.list_artifacts(session, "r", LOCAL_ADMINISTRATOR)
        assert [(one.name, one.size_bytes, one.sha256) for one in found] == [("model.safetensors", 5, None)]

    def test_the_field_that_the_trainer_refused_is_recorded(self, database: Database, ref: AttemptRef) -> None:
        outcome = Outcome(reason=Reason.ERROR, message="grader: it is gone", field="grader")
        finish(database, ref, Reason.ERROR, Exit(exit_code=1, finished_at=1.0, outcome=outcome))
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).error_field == "grader"


class TestFinishCommand:
    @pytest.mark.parametrize(
        ("reason", "restartable", "status"),
        [
            (Reason.LOST, False, RunStatus.FAILED),
            (Reason.LOST, True, RunStatus.QUEUED),
            (Reason.KILLED, False, RunStatus.FAILED),
            (Reason.KILLED, True, RunStatus.QUEUED),
            (Reason.PAUSED, False, RunStatus.FAILED),
            (Reason.PAUSED, True, RunStatus.QUEUED),
            (Reason.OOM, True, RunStatus.FAILED),
            (Reason.ERROR, True, RunStatus.FAILED),
        ],
    )
    def test_is_started_again_only_if_it_says_so(
        self, database: Database, home: Path, reason: Reason, restartable: bool, status: RunStatus
    ) -> None:
        with database.write() as session:
            wanted = builders.command("true", id="r", restartable=restartable)
            runs.create(session, wanted, builders.context(home), LOCAL_ADMINISTRATOR)
        ending = Exit(exit_code=None, signal=9, started_at=1.0, finished_at=2.0)
        assert finish(database, claim_again(database), reason, ending) is status
        with database.read() as session:
            error = runs.get(session, "r", LOCAL_ADMINISTRATOR).error or ""
        assert ("restartable: true" in error) == (status is RunStatus.FAILED and not restartable)

    def test_that_never_began_is_started_in_any_case(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.command("true", id="r"), builders.context(home), LOCAL_ADMINISTRATOR)
        ref = claim_again(database)
        with database.write() as session:
            found = attempts.finish(
                session, ref, reason=Reason.LOST, message=None, ending=None, max_lost=2, began=False
            )
        assert found == (RunStatus.QUEUED, Reason.LOST)


class TestRecordEvents:
    def test_numbers_have_no_gap(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            assert attempts.record_events(session, ref, start=0, end=50, events=[progress(1), progress(2)])
        with database.read() as session:
            events = runs.list_events(session, "r", LOCAL_ADMINISTRATOR)
        assert [event.sequence for event in events] == [1, 2, 3, 4]
        assert [event.data.step for event in events[2:]] == [1, 2]

    def test_warnings_stand_on_the_run_once(self, database: Database, ref: AttemptRef) -> None:
        low = {"level": "warning", "code": "loss_did_not_fall", "setting": "learning_rate"}
        told = [
            {"level": "info", "code": "lora_targets", "message": "the adapter changes 4 × q_proj"},
            {**low, "message": "of the first attempt"},
            {"level": "warning", "code": "rows_truncated", "message": "m" * 5000},
            {"level": "warning", "message": "without a code"},
            {**low, "message": "of the second"},
            *({"level": "warning", "code": f"of-a-program-{number}", "message": ["no text"]} for number in range(50)),
        ]
        events = [TrainerEvent(type=EventType.NOTICE, at=1.0, data=data) for data in told]
        with database.write() as session:
            assert attempts.record_events(session, ref, start=0, end=50, events=events)
        finish(database, ref, Reason.COMPLETED)
        with database.read() as session:
            warnings = runs.get(session, "r", LOCAL_ADMINISTRATOR).warnings
        assert [warning.code for warning in warnings[:2]] == ["rows_truncated", "loss_did_not_fall"]
        assert (warnings[1].message, warnings[1].setting) == ("of the second", "learning_rate")
        assert (len(warnings), len(warnings[0].message)) == (20, 1000)

    def test_where_the_home_lies_is_not_told(self, database: Database, home: Path, ref: AttemptRef) -> None:
        paths = [f"{home}/runs/r/checkpoints/checkpoint-2", "/elsewhere/checkpoint-2"]
        told = [TrainerEvent(type=EventType.CHECKPOINT, at=1.0, data={"step": 2, "path": path}) for path in paths]
        with database.write() as session:
            assert attempts.record_events(session, ref, start=0, end=50, events=told)
        with database.read() as session:
            events = runs.list_events(session, "r", LOCAL_ADMINISTRATOR)
        assert [event.data.path for event in events[2:]] == ["runs/r/checkpoints/checkpoint-2", paths[1]]

    def test_the_same_bytes_are_stored_once(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            attempts.record_events(session, ref, start=0, end=50, events=[progress(1)])
        with database.write() as session:
            assert not attempts.record_events(session, ref, start=0, end=50, events=[progress(1)])
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).last_sequence == 3

    def test_progress_is_kept_on_the_run(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            attempts.record_events(session, ref, start=0, end=50, events=[progress(5)])
        with database.read() as session:
            shown = runs.get(session, "r", LOCAL_ADMINISTRATOR).progress
        assert (shown.fraction, shown.step, shown.loss) == (0.5, 5, 0.5)


class TestGiveBack:
    def test_queued_again_without_leases(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            attempts.give_back(session, ref, "the server ended")
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).status is RunStatus.QUEUED
            assert devices_of_runs(session, LOCAL_NODE) == {}

    def test_a_cancel_in_between_holds(self, database: Database, ref: AttemptRef) -> None:
        with database.write() as session:
            runs.request_cancel(session, "r", LOCAL_ADMINISTRATOR)
        with database.write() as session:
            attempts.give_back(session, ref, "the server ended")
        with database.read() as session:
            assert runs.get(session, "r", LOCAL_ADMINISTRATOR).status is RunStatus.CANCELLED


class TestRecordHandle:
    def test_it_comes_back_with_the_live_attempt(self, database: Database, ref: AttemptRef, home: Path) -> None:
        handle = Handle(directory=home / "runs" / "r", attempt=1, details={"pid": 7})
        with database.write() as session:
            assert attempts.record_handle(session, ref, handle)
        with database.read() as session:
            assert [one.handle for one in attempts.list_live(session)] == [handle]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestClock:
    """The clock was ahead when the run was accepted, and has been put right since."""

    @pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650)])
    def test_its_moments_come_in_their_order(self, database: Database, ref: AttemptRef, ahead: timedelta) -> None:
        accepted = utc_now() + ahead
        with database.write() as session:
            session.execute(update(RunRow).values(created_at=accepted, updated_at=accepted))
        with database.write() as session:
            attempts.mark_running(session, ref, epoch_now())
        finish(database, ref, Reason.COMPLETED)
        with database.read() as session:
            run = runs.get(session, "r", LOCAL_ADMINISTRATOR)
            events = runs.list_events(session, "r", LOCAL_ADMINISTRATOR, after=2)
        assert run.started_at is not None
        assert run.finished_at is not None
        assert accepted <= run.started_at <= run.finished_at <= run.updated_at
        assert [event.at >= accepted.timestamp() for event in events] == [True, True]

    def test_external_runs_too(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.external("job-1"), builders.context(home), LOCAL_ADMINISTRATOR)
            session.execute(update(RunRow).values(created_at=utc_now() + timedelta(hours=1)))
        with database.write() as session:
            run = runs.request_cancel(session, "job-1", LOCAL_ADMINISTRATOR)
        assert run.finished_at is not None
        assert run.created_at <= run.finished_at
