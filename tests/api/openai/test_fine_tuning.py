import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import BadRequestError, ConflictError, NotFoundError, OpenAI
from starlette.testclient import TestClient

from finery.app.composition import Composition
from finery.contracts.events import CheckpointData, EvaluationData, NoticeData, ProgressData
from finery.contracts.permissions import SERVER
from finery.contracts.status import Reason, RunStatus
from finery.domain import runs
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import append_event, change_status
from tests.api.openai.conftest import ROWS, jsonl
from tests.engines.tiny import make_model
from tests.measuring import measure_here

MODEL = "finery/tiny-llama"


TASK = {"messages": [{"role": "user", "content": "Q"}], "answer": "A"}
CHECK = {
    "type": "string_check", "name": "same", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip


def reinforcement(grader: dict[str, Any], **hyperparameters: Any) -> dict[str, Any]:
    asked = {"grader": grader, "hyperparameters": hyperparameters}
    return {"method": {"type": "reinforcement", "reinforcement": asked}}


def upload(sdk: OpenAI, rows: list[Any], purpose: Any = "fine-tune") -> str:
    return sdk.files.create(file=("rows.jsonl", jsonl(rows)), purpose=purpose).id


class TestCreateJob:
    def test_the_smallest_request(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        assert job.id.startswith("ftjob-")
        assert (job.status, job.model, job.training_file) == ("queued", MODEL, training_file)
        assert (job.fine_tuned_model, job.finished_at, job.error, job.result_files) == (None, None, None, [])
        assert (job.validation_file, job.trained_tokens, job.metadata) == (None, None, {})
        assert job.method is not None
        assert job.method.supervised is not None
        chosen = job.method.supervised.hyperparameters
        assert chosen is not None
        assert (chosen.n_epochs, chosen.batch_size, chosen.learning_rate_multiplier) == (8, 4, 1.0)
        assert sdk.fine_tuning.jobs.retrieve(job.id) == job

    def test_everything_that_can_be_said(
        self, sdk: OpenAI, training_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "wandb.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        job = sdk.fine_tuning.jobs.create(
            model=MODEL,
            training_file=training_file,
            validation_file=upload(sdk, list(ROWS[:2])),
            suffix="家",
            seed=7,
            metadata={"team": "search", "空": ""},
            method={
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 3, "learning_rate_multiplier": 0.5}},
            },
            integrations=[{"type": "wandb", "wandb": {"project": "p", "name": "n", "tags": ["a"]}}],
        )
        assert (job.seed, job.metadata) == (7, {"team": "search", "空": ""})
        assert job.validation_file is not None
        assert job.hyperparameters.n_epochs == 2
        assert job.hyperparameters.batch_size == 3
        assert job.hyperparameters.learning_rate_multiplier == 0.5
        assert job.integrations is not None
        assert job.integrations[0].wandb.project == "p"

    def test_the_old_hyperparameters(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(
            model=MODEL, training_file=training_file, hyperparameters={"n_epochs": 5, "batch_size": "auto"}
        )
        assert job.hyperparameters.n_epochs == 5
        assert job.hyperparameters.batch_size == 4

    def test_preferences(self, sdk: OpenAI) -> None:
        row = {
            "input": {"messages": [{"role": "user", "content": "Q"}]},
            "preferred_output": [{"role": "assistant", "content": "A"}],
            "non_preferred_output": [{"role": "assistant", "content": "B"}],
        }
        job = sdk.fine_tuning.jobs.create(
            model=MODEL,
            training_file=upload(sdk, [row] * 4),
            method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 1}}},
        )
        assert job.method is not None
        assert job.method.dpo is not None
        assert job.method.dpo.hyperparameters is not None
        assert job.method.dpo.hyperparameters.beta == 0.3

    def test_reinforcement(self, sdk: OpenAI) -> None:
        grader: Any = CHECK
        job = sdk.fine_tuning.jobs.create(
            model=MODEL,
            training_file=upload(sdk, [TASK] * 4),
            method={
                "type": "reinforcement",
                "reinforcement": {
                    "grader": grader,
                    "hyperparameters": {"eval_interval": 7, "eval_samples": 2, "n_epochs": 1, "compute_multiplier": 1},
                },
            },
            validation_file=upload(sdk, [TASK | {"answer": "B"}] * 2),
        )
        assert job.status == "queued"
        assert job.method is not None
        assert job.method.reinforcement is not None
        assert job.method.reinforcement.grader.model_dump(exclude_none=True) == grader
        told = job.method.reinforcement.hyperparameters
        assert told is not None
        assert (told.eval_interval, told.eval_samples, told.n_epochs, told.batch_size) == (7, 2, 1, 2)
        assert job.hyperparameters.model_dump(exclude_none=True).keys() == {
            "n_epochs", "batch_size", "learning_rate_multiplier",
        }  # fmt: skip

    def test_what_the_check_points_out_is_an_event(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(
            model=MODEL, training_file=training_file, validation_file=upload(sdk, list(ROWS[:2]))
        )
        assert job.status == "queued"
        (warning,) = [event for event in sdk.fine_tuning.jobs.list_events(job.id) if event.level == "warn"]
        assert "2 rows, each of which stands in the validation file too" in warning.message

    @pytest.mark.parametrize("kind", ["supervised", "dpo"])
    def test_an_earlier_jobs_method_can_be_sent_again(self, sdk: OpenAI, training_file: str, kind: str) -> None:
        """With all of its keys, those included that say nothing."""
        good, bad = ([{"role": "assistant", "content": said}] for said in ("yes", "no"))
        asked = {"messages": [{"role": "user", "content": "Q"}]}
        rows = [{"input": asked, "preferred_output": good, "non_preferred_output": bad}]
        file = training_file if kind == "supervised" else upload(sdk, rows)
        first = sdk.fine_tuning.jobs.create(model=MODEL, training_file=file, method={"type": kind})  # type: ignore[typeddict-item]
        assert first.method is not None
        again: Any = first.method.model_dump()
        assert "reinforcement" in again
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=file, method=again)
        assert job.method == first.method

    def test_the_same_key_fifty_times_at_once_is_one_job(self, sdk: OpenAI, training_file: str) -> None:
        def create(_: int) -> str:
            headers = {"Idempotency-Key": "one"}
            return sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file, extra_headers=headers).id

        with ThreadPoolExecutor(16) as pool:
            ids = set(pool.map(create, range(50)))
        assert len(ids) == 1
        assert len(list(sdk.fine_tuning.jobs.list())) == 1

    @pytest.mark.parametrize("header", ["Idempotency-Key", "X-Stainless-Retry-Count"])
    def test_asked_again_when_the_model_is_gone(
        self, sdk: OpenAI, training_file: str, composition: Composition, header: str
    ) -> None:
        folder = composition.settings.home / "base"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        asked: dict[str, Any] = {"model": "./base", "training_file": training_file, "extra_headers": {header: "1"}}
        first = sdk.fine_tuning.jobs.create(**asked)
        shutil.rmtree(folder)
        assert sdk.fine_tuning.jobs.create(**asked).id == first.id
        with pytest.raises(NotFoundError):
            sdk.fine_tuning.jobs.create(model="./base", training_file=training_file)


class TestBadInput:
    @pytest.mark.parametrize(
        ("body", "param", "code"),
        [
            ({"colour": "red"}, "colour", "unknown_parameter"),
            ({"suffx": "a"}, "suffx", "unknown_parameter"),
            ({"suffix": "x" * 65}, "suffix", "invalid_value"),
            ({"suffix": "a:b"}, "suffix", "invalid_value"),
            ({"training_file": "file-none"}, "training_file", "file_not_found"),
            ({"validation_file": "file-none"}, "validation_file", "file_not_found"),
            ({"training_file": "dataset:none"}, "training_file", "file_not_found"),
            ({"training_file": "none.jsonl"}, "training_file", "file_not_found"),
            ({"training_file": "/etc/passwd"}, "training_file", "invalid_value"),
            ({"method": {"type": "magic"}}, "method.type", "invalid_value"),
            ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised", "invalid_value"),
            ({"method": {"type": "reinforcement"}}, "method.reinforcement", "invalid_value"),
            ({"method": {"type": "supervised"}, "hyperparameters": {}}, "hyperparameters", "invalid_value"),
            ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs", "invalid_value"),
            ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs", "invalid_value"),
            (
                {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": -1}}}},
                "method.dpo.hyperparameters.beta",
                "invalid_value",
            ),
            (
                {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epoch": 1}}}},
                "method.supervised.hyperparameters.n_epoch",
                "unknown_parameter",
            ),
            ({"metadata": {"k" * 65: "v"}}, f"metadata.{'k' * 65}", "invalid_value"),
            ({"metadata": {str(n): "v" for n in range(17)}}, "metadata", "invalid_value"),
            ({"metadata": {"k": "v" * 513}}, "metadata.k", "invalid_value"),
            ({"seed": -1}, "seed", "invalid_value"),
            ({"integrations": [{"type": "comet"}]}, "integrations.0.type", "invalid_value"),
            ({"integrations": [{"type": "wandb"}]}, "integrations.0.wandb", "invalid_value"),
            pytest.param(
                {"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]},
                "integrations.0.type",
                "invalid_value",
                marks=pytest.mark.skipif(find_spec("wandb") is not None, reason="the package is there"),
            ),
            (reinforcement({"type": "string_check"}), "method.reinforcement.grader.input", "invalid_value"),
            (reinforcement({"type": "magic"}), "method.reinforcement.grader", "invalid_value"),
            (reinforcement(CHECK | {"refrence": "x"}), "method.reinforcement.grader.refrence", "unknown_parameter"),
            (
                reinforcement(CHECK, compute_multiplier=2),
                "method.reinforcement.hyperparameters.compute_multiplier",
                "unsupported_parameter",
            ),
            (reinforcement(CHECK, eval_interval=4), "validation_file", "invalid_value"),
            (reinforcement(CHECK, batch_size=4), "method.reinforcement.hyperparameters.batch_size", "invalid_value"),
        ],
    )
    def test_parameter_and_code_are_named(
        self, sdk: OpenAI, training_file: str, body: dict[str, Any], param: str, code: str
    ) -> None:
        if body.get("method", {}).get("type") == "reinforcement":
            training_file = upload(sdk, [TASK] * 3)
        request = {"model": MODEL, "training_file": training_file, **body}
        with pytest.raises(BadRequestError) as refused:
            sdk.post("/fine_tuning/jobs", cast_to=object, body=request)
        assert (refused.value.param, refused.value.code) == (param, code)
        assert refused.value.type == "invalid_request_error"
        assert "dataset_path" not in refused.value.message
        assert list(sdk.fine_tuning.jobs.list()) == []

    @pytest.mark.parametrize("model", ["gpt-4o", "GPT-4o-mini", "o4-mini", "babbage-002", "tiny-llama", "file-abc"])
    def test_a_model_that_nothing_stands_for(self, sdk: OpenAI, training_file: str, model: str) -> None:
        with pytest.raises(NotFoundError, match=r"models\.yaml") as refused:
            sdk.fine_tuning.jobs.create(model=model, training_file=training_file)
        assert (refused.value.param, refused.value.code) == ("model", "model_not_found")

    @pytest.mark.parametrize(
        ("model", "reason"),
        [
            ("finery/tiny-lama", "did you mean 'finery/tiny-llama'"),
            ("../../etc", "lies outside"),
            ("ftjob-0123", "no finished run"),
            ("ft:gpt-3.5-turbo:my-org:custom:7p4lURel", "no fine-tuned model"),
            ("ft:finery/tiny-llama:finery::0123:ckpt-step-1", "no fine-tuned model"),
        ],
    )
    def test_a_model_that_is_not_there(self, sdk: OpenAI, training_file: str, model: str, reason: str) -> None:
        with pytest.raises(NotFoundError, match=reason) as refused:
            sdk.fine_tuning.jobs.create(model=model, training_file=training_file)
        assert (refused.value.param, refused.value.code) == ("model", "model_not_found")

    @pytest.mark.parametrize("is_one_of_several", [False, True])
    def test_a_judge_that_nothing_stands_for(self, sdk: OpenAI, is_one_of_several: bool) -> None:
        judge: dict[str, Any] = {
            "type": "score_model", "name": "judge", "model": "gpt-4o",
            "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
        }  # fmt: skip
        if is_one_of_several:
            judge = {"type": "multi", "name": "all", "graders": {"judge": judge}, "calculate_output": "judge"}
        request = {"model": MODEL, "training_file": upload(sdk, [TASK] * 3), **reinforcement(judge)}
        with pytest.raises(NotFoundError, match=r"models\.yaml") as refused:
            sdk.post("/fine_tuning/jobs", cast_to=object, body=request)
        place = "method.reinforcement.grader" + (".graders.judge" if is_one_of_several else "")
        assert (refused.value.param, refused.value.code) == (f"{place}.model", "model_not_found")

    def test_a_file_for_another_purpose(self, sdk: OpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            sdk.fine_tuning.jobs.create(model=MODEL, training_file=upload(sdk, list(ROWS), "user_data"))
        assert (refused.value.param, refused.value.code) == ("training_file", "invalid_file_purpose")

    def test_a_deleted_file(self, sdk: OpenAI, training_file: str) -> None:
        sdk.files.delete(training_file)
        with pytest.raises(BadRequestError) as refused:
            sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        assert (refused.value.param, refused.value.code) == ("training_file", "file_not_found")

    def test_no_json(self, base_url: str) -> None:
        answer = httpx.post(
            f"{base_url}/v1/fine_tuning/jobs", content=b"{", headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_unknown_address(self, base_url: str) -> None:
        answer = httpx.get(f"{base_url}/v1/nothing")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


class TestBadFile:
    def test_the_job_has_failed_and_names_line_field_and_reason(self, sdk: OpenAI) -> None:
        rows: list[Any] = [dict(row) for row in ROWS]
        rows[6] = {"messages": [{"role": "user", "content": "Q"}, {"role": "robot", "content": "A"}]}
        bad = upload(sdk, rows)
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=bad)
        assert job.status == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
        assert bad in job.error.message
        assert job.finished_at is not None
        told = [event.message for event in sdk.fine_tuning.jobs.list_events(job.id) if event.level == "error"]
        assert any("line 7" in message and "role" in message for message in told)

    @pytest.mark.parametrize(
        "data",
        [
            b"not json\n",
            b'{"messages": []}\n',
            b'{"messages": [{"role": "user", "content": "only"}]}\n',
            b"\xff\xfe\x00",
        ],
    )
    def test_other_bad_files(self, sdk: OpenAI, data: bytes) -> None:
        bad = sdk.files.create(file=("a.jsonl", data), purpose="fine-tune").id
        assert sdk.fine_tuning.jobs.create(model=MODEL, training_file=bad).status == "failed"

    def test_a_bad_validation_file_is_named_as_that(self, sdk: OpenAI, training_file: str) -> None:
        bad = upload(sdk, [{"messages": [{"role": "user", "content": "only"}]}])
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file, validation_file=bad)
        assert (job.status, job.training_file, job.validation_file) == ("failed", training_file, bad)
        assert job.error is not None
        assert (job.error.code, job.error.param) == ("invalid_validation_file", "validation_file")
        told = [event for event in sdk.fine_tuning.jobs.list_events(job.id) if event.level == "error"]
        assert told[0].message == job.error.message
        assert {event.data["param"] for event in told[1:]} == {"validation_file"}  # type: ignore[index]
        assert all(event.message.startswith("validation data: ") for event in told[1:])
        assert job.error.message.startswith(f"{bad}: ")

    def test_whose_data_are_bad_is_told_by_a_field(self, sdk: OpenAI, client: TestClient, training_file: str) -> None:
        bad = upload(sdk, [{"messages": [{"role": "user", "content": "only"}]}])
        for files, field in (
            ({"training_file": bad}, "dataset_path"),
            ({"training_file": training_file, "validation_file": bad}, "eval_dataset_path"),
        ):
            job = sdk.fine_tuning.jobs.create(model=MODEL, **files)  # type: ignore[call-overload]
            assert client.get(f"/api/v1/runs/{job.id}").json()["error_field"] == field

    def test_a_length_that_leaves_no_token_to_learn(self, sdk: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
        measure_here(monkeypatch)
        row = {"messages": [{"role": "user", "content": "many words " * 900}, {"role": "assistant", "content": "A"}]}
        bad = upload(sdk, [row])
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=bad)
        assert job.status == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
        assert job.error.message.startswith(f"{bad}: the limit of 1024 tokens a row cuts off all that is learned")

    def test_calls_that_the_models_template_leaves_out(
        self, sdk: OpenAI, monkeypatch: pytest.MonkeyPatch, home: Path
    ) -> None:
        """What is left of such a row would teach the model to say nothing. The remedy is one of this API."""
        measure_here(monkeypatch)
        make_model(home / "models" / "without-tools")
        call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
        bad = upload(sdk, [{"messages": messages}])
        job = sdk.fine_tuning.jobs.create(model="./models/without-tools", training_file=bad)
        assert job.status == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
        assert job.error.message.startswith(
            f"{bad}: line 1 (row 1): the chat template leaves out tool calls; choose a model whose chat template"
        )
        *_, first = sdk.fine_tuning.jobs.list_events(job.id)
        assert (first.message, job.seed) == ("The job was created", 42)

    def test_it_can_be_deleted(self, sdk: OpenAI) -> None:
        bad = sdk.files.create(file=("a.jsonl", b"x\n"), purpose="fine-tune").id
        sdk.fine_tuning.jobs.create(model=MODEL, training_file=bad)
        assert sdk.files.delete(bad).deleted


class TestListJobs:
    def test_pages(self, sdk: OpenAI, training_file: str) -> None:
        ids = [sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file).id for _ in range(5)]
        assert [job.id for job in sdk.fine_tuning.jobs.list(limit=2)] == ids[::-1]
        page = sdk.fine_tuning.jobs.list(limit=5)
        assert (len(page.data), page.has_more) == (5, False)

    def test_by_metadata(self, sdk: OpenAI, training_file: str) -> None:
        def create(**metadata: str) -> str:
            return sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file, metadata=metadata).id

        both, one, none = create(team="a", step="1"), create(team="a"), create()
        assert [job.id for job in sdk.fine_tuning.jobs.list(metadata={"team": "a"})] == [one, both]
        assert [job.id for job in sdk.fine_tuning.jobs.list(metadata={"team": "a", "step": "1"})] == [both]
        page = sdk.fine_tuning.jobs.list(extra_query={"metadata": "null"})
        assert [job.id for job in page] == [none]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({'metadata[a"b]': "x"}, "invalid_value"),
            ({f"metadata[{'k' * 65}]": "x"}, "invalid_value"),
            ({"metadata": "foo"}, "invalid_value"),
            ({"metadata[]": "x"}, "invalid_value"),
            ({"status": "failed"}, "unknown_parameter"),
            ({"after": "ftjob-none"}, "invalid_value"),
            ({"limit": "0"}, "invalid_value"),
        ],
    )
    def test_what_would_filter_nothing(self, sdk: OpenAI, query: dict[str, str], code: str) -> None:
        with pytest.raises(BadRequestError) as refused:
            sdk.fine_tuning.jobs.list(extra_query=query)
        assert (refused.value.param, refused.value.code) == (next(iter(query)), code)

    def test_runs_of_other_dialects_are_not_there(self, sdk: OpenAI, base_url: str) -> None:
        httpx.post(f"{base_url}/jobs", json={"job_id": "a", "model_name": "m", "dataset": "d"}).raise_for_status()
        assert list(sdk.fine_tuning.jobs.list()) == []
        with pytest.raises(NotFoundError) as refused:
            sdk.fine_tuning.jobs.retrieve("a")
        assert refused.value.code == "fine_tuning_job_not_found"


def start(composition: Composition, job_id: str) -> None:
    """What the scheduler would store."""
    with composition.services.database.write() as session:
        row = lock_row(session, job_id, SERVER)
        change_status(session, row, RunStatus.STARTING)
        change_status(session, row, RunStatus.RUNNING)


class TestControl:
    def test_pause_resume_cancel(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        # The SDK's model of a job lacks this status, so its strict validation would refuse it.
        paused = sdk.fine_tuning.jobs.with_raw_response.pause(job.id)
        assert paused.http_response.json()["status"] == "paused"
        assert sdk.fine_tuning.jobs.resume(job.id).status == "queued"
        assert sdk.fine_tuning.jobs.cancel(job.id).status == "cancelled"
        with pytest.raises(BadRequestError):
            sdk.fine_tuning.jobs.cancel(job.id)

    def test_a_cancelled_job_says_so_while_its_process_ends_and_holds_no_file(
        self, sdk: OpenAI, training_file: str, composition: Composition
    ) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        start(composition, job.id)
        assert sdk.fine_tuning.jobs.cancel(job.id).status == "cancelled"
        assert sdk.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
        assert [found.status for found in sdk.fine_tuning.jobs.list()] == ["cancelled"]
        assert sdk.files.delete(training_file).deleted
        with pytest.raises(ConflictError, match="is being cancelled"):
            sdk.fine_tuning.jobs.resume(job.id)

    def test_a_job_that_is_still_pausing_goes_on(
        self, sdk: OpenAI, training_file: str, composition: Composition
    ) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        start(composition, job.id)
        pausing = sdk.fine_tuning.jobs.with_raw_response.pause(job.id)
        assert pausing.http_response.json()["status"] == "pausing"
        assert sdk.fine_tuning.jobs.resume(job.id).status == "running"
        assert [event.message for event in sdk.fine_tuning.jobs.list_events(job.id)][:2] == [
            "The pause was taken back",
            "A pause was requested",
        ]
        with pytest.raises(ConflictError, match="is running"):
            sdk.fine_tuning.jobs.resume(job.id)

    def test_what_was_done_is_answered_again(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        again = {"X-Stainless-Retry-Count": "1"}
        jobs = sdk.fine_tuning.jobs
        for act in (jobs.with_raw_response.pause, jobs.with_raw_response.resume, jobs.with_raw_response.cancel):
            first = act(job.id).http_response.json()
            assert act(job.id, extra_headers=again).http_response.json() == first
        with pytest.raises(BadRequestError):
            jobs.resume(job.id, extra_headers=again)

    def test_a_query_that_is_not_known(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        with pytest.raises(BadRequestError) as refused:
            sdk.fine_tuning.jobs.list_events(job.id, extra_query={"befor": "x"})
        assert (refused.value.param, refused.value.code) == ("befor", "unknown_parameter")

    def test_unknown(self, sdk: OpenAI) -> None:
        for act in (sdk.fine_tuning.jobs.cancel, sdk.fine_tuning.jobs.retrieve, sdk.fine_tuning.jobs.resume):
            with pytest.raises(NotFoundError):
                act("ftjob-none")


class TestFinishedJob:
    @pytest.fixture
    def finished(self, sdk: OpenAI, training_file: str, composition: Composition, home: Any) -> str:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file, suffix="house")
        checkpoint = home / "runs" / job.id / "checkpoints" / "checkpoint-2"
        checkpoint.mkdir(parents=True)
        with composition.services.database.write() as session:
            row = lock_row(session, job.id, SERVER)
            change_status(session, row, RunStatus.STARTING)
            change_status(session, row, RunStatus.RUNNING)
            for step, loss in ((1, 2.5), (2, 1.5)):
                data = {"step": step, "total_steps": 2, "loss": loss, "token_accuracy": 0.5 * step, "eta_seconds": 0.0}
                append_event(session, row, ProgressData.model_validate(data))
            append_event(session, row, EvaluationData(step=2, loss=1.75, token_accuracy=0.25))
            append_event(session, row, CheckpointData(step=2, path=str(checkpoint)))
            row.progress = {"fraction": 1.0, "tokens": 1234}
            change_status(session, row, RunStatus.SUCCEEDED, reason=Reason.COMPLETED)
        return job.id

    def test_what_a_step_earned_and_what_went_wrong(
        self, sdk: OpenAI, composition: Composition, training_file: str
    ) -> None:
        job = sdk.fine_tuning.jobs.create(model=MODEL, training_file=training_file)
        low = {
            "level": "warning",
            "code": "reward_without_spread",
            "message": "one reward for all",
            "setting": "grader",
        }
        with composition.services.database.write() as session:
            row = lock_row(session, job.id, SERVER)
            for figures in ({"loss": 0.0, "reward": 0.25}, {"loss": 1.5}, {"reward": 1}):
                append_event(session, row, ProgressData.model_validate({"step": 1, "total_steps": 2, **figures}))
            append_event(session, row, NoticeData.model_validate(low))
        warning, *steps = list(sdk.fine_tuning.jobs.list_events(job.id))[:4]
        assert (warning.level, warning.message) == ("warn", "one reward for all")
        assert warning.data == {"code": "reward_without_spread"}
        assert [step.message for step in reversed(steps)] == [
            "Step 1/2: reward=0.2500, training loss=0.0000",
            "Step 1/2: training loss=1.5000",
            "Step 1/2: reward=1.0000",
        ]
        assert steps[-1].data["train_reward"] == 0.25  # type: ignore[index]

    def test_the_job(self, sdk: OpenAI, finished: str) -> None:
        job = sdk.fine_tuning.jobs.retrieve(finished)
        assert job.status == "succeeded"
        assert job.fine_tuned_model == f"ft:{MODEL}:finery:house:{finished.removeprefix('ftjob-')}"
        assert job.trained_tokens == 1234
        assert job.finished_at is not None

    def test_its_events_newest_first_in_pages(self, sdk: OpenAI, finished: str) -> None:
        events = list(sdk.fine_tuning.jobs.list_events(finished, limit=3))
        assert len({event.id for event in events}) == len(events)
        assert "successfully completed" in events[0].message
        metrics = [event.data for event in events if event.type == "metrics"]
        assert metrics == [
            {"valid_loss": 1.75, "valid_mean_token_accuracy": 0.25, "step": 2},
            {"train_loss": 1.5, "train_mean_token_accuracy": 1.0, "step": 2, "total_steps": 2},
            {"train_loss": 2.5, "train_mean_token_accuracy": 0.5, "step": 1, "total_steps": 2},
        ]
        assert any("chosen automatically" in event.message for event in events)

    def test_its_checkpoints(self, sdk: OpenAI, finished: str) -> None:
        (checkpoint,) = sdk.fine_tuning.jobs.checkpoints.list(finished)
        assert checkpoint.fine_tuned_model_checkpoint.endswith(":ckpt-step-2")
        assert (checkpoint.step_number, checkpoint.fine_tuning_job_id) == (2, finished)
        assert (checkpoint.metrics.train_loss, checkpoint.metrics.valid_loss) == (1.5, 1.75)

    def test_its_result_file(self, sdk: OpenAI, finished: str) -> None:
        (result,) = sdk.fine_tuning.jobs.retrieve(finished).result_files
        text = sdk.files.content(result).text
        assert text.splitlines() == [
            "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy",
            "1,2.5,0.5,,",
            "2,1.5,1.0,1.75,0.25",
        ]
        file = sdk.files.retrieve(result)
        assert (file.bytes, file.purpose) == (len(text), "fine-tune-results")
        assert [one.id for one in sdk.files.list(purpose="fine-tune-results")] == [result]

    def test_its_events_are_the_cores(self, finished: str, composition: Composition) -> None:
        with composition.services.database.read() as session:
            assert runs.get(session, finished, SERVER).status is RunStatus.SUCCEEDED
