"""The client against a real server."""

from pathlib import Path

import pytest

from finery.client import FineryClient, FineryError
from finery.contracts.events import StatusEvent
from finery.contracts.run import Resources, Run
from finery.contracts.status import RunStatus
from tests.servers import RunningServer

FIVE_LINES = "for i in 1 2 3 4 5; do echo line $i; done"


@pytest.fixture(scope="module")
def ended(live: RunningServer) -> Run:
    """A run that has succeeded."""
    with FineryClient(url=live.url) as client:
        return client.wait(shell(client, FIVE_LINES).id, timeout=30)


def shell(api: FineryClient, script: str, **fields: str) -> Run:
    return api.create_run("command", {"argv": ["sh", "-c", script]}, name=fields.get("name"))


class TestRuns:
    def test_a_run_from_request_to_deletion(self, api: FineryClient) -> None:
        run = api.create_run(
            "command",
            {"argv": ["sh", "-c", FIVE_LINES]},
            name="five lines",
            labels={"team": "search"},
            priority=3,
            resources=Resources(gpus=0),
            time_limit_seconds=60,
        )
        ended = api.wait(run.id, timeout=30)

        assert (ended.status, ended.name, ended.priority) == (RunStatus.SUCCEEDED, "five lines", 3)
        assert "line 5" in api.log_tail(run.id, lines=2).lines
        assert [found.sequence for found in api.events(run.id)] == list(range(1, ended.last_sequence + 1))
        assert api.metrics(run.id) == []
        assert api.artifacts(run.id) == []
        api.delete_run(run.id)
        with pytest.raises(FineryError) as caught:
            api.get_run(run.id)
        assert (caught.value.status, caught.value.code) == (404, "run_not_found")

    def test_the_same_key_is_the_same_run(self, api: FineryClient) -> None:
        first, second = (api.create_run("command", {"argv": ["true"]}, idempotency_key="twice") for _ in range(2))

        assert first.id == second.id

    def test_pages_and_filters(self, api: FineryClient) -> None:
        made = [api.create_run("command", {"argv": ["true"]}, labels={"page": "yes"}).id for _ in range(3)]
        first = api.list_runs(label=("page", "yes"), limit=2)
        second = api.list_runs(label=("page", "yes"), limit=2, cursor=first.next_cursor)

        assert [run.id for run in (*first.runs, *second.runs)] == made[::-1]
        assert second.next_cursor is None
        assert api.list_runs(label=("page", "yes"), status=RunStatus.FAILED).runs == []
        assert api.list_runs(recipe="sft").runs == []

    def test_a_invalid_request_names_its_field(self, api: FineryClient) -> None:
        with pytest.raises(FineryError) as caught:
            api.create_run("command", {"argv": ["true"], "enviroment": {}})

        assert caught.value.issues[0].field == "enviroment"
        assert "environment" in caught.value.issues[0].message

    def test_waiting_has_an_end(self, api: FineryClient) -> None:
        run = shell(api, "sleep 60")
        with pytest.raises(TimeoutError, match=run.id):
            api.wait(run.id, timeout=0.2)
        api.cancel_run(run.id)

        assert api.wait(run.id, timeout=30).status is RunStatus.CANCELLED

    def test_stop_ends_what_is_queued(self, api: FineryClient) -> None:
        shell(api, "sleep 60")
        queued = shell(api, "true")

        assert api.stop_run(queued.id).status is RunStatus.CANCELLED

    def test_what_a_run_cannot_do_is_refused(self, api: FineryClient, ended: Run) -> None:
        for ask in (api.pause_run, api.stop_run, api.checkpoint_run, api.cancel_run):
            with pytest.raises(FineryError) as caught:
                ask(ended.id)
            assert (caught.value.status, caught.value.code) == (409, "run_finished")
        with pytest.raises(FineryError) as caught:
            api.resume_run(ended.id)
        assert (caught.value.status, caught.value.code) == (409, "nothing_to_resume")


class TestLogs:
    def test_the_end_of_a_log_can_be_followed(self, api: FineryClient) -> None:
        run = shell(api, "seq 1 5000")
        api.wait(run.id, timeout=30)
        end = api.log_end(run.id, lines=3)

        # The trainer closes the log with a line of its own.
        assert end.text.splitlines()[:2] == ["4999", "5000"]
        assert end.text == "".join(f"{line}\n" for line in api.log_tail(run.id, lines=3).lines)
        assert api.log_slice(run.id, offset=end.next_offset).text == ""

    def test_long_lines_widen_the_view(self, api: FineryClient) -> None:
        run = shell(api, "for i in 1 2 3 4; do head -c 3000 /dev/zero | tr '\\0' x; echo $i; done")
        api.wait(run.id, timeout=30)

        assert [line[-1] for line in api.log_end(run.id, lines=4).text.splitlines()[:3]] == ["2", "3", "4"]

    def test_from_the_beginning(self, api: FineryClient, ended: Run) -> None:
        start = api.log_end(ended.id, lines=0)

        assert (start.text, start.next_offset) == ("", 0)
        assert "line 1\n" in api.log_slice(ended.id, offset=0).text


class TestFollow:
    @pytest.mark.thorough
    def test_events_across_a_killed_server(self, home: Path) -> None:
        with RunningServer(home) as server, FineryClient(url=server.url) as client:
            run = shell(client, "sleep 2")
            found = []
            for event in client.follow(run.id):
                found.append(event)
                if isinstance(event, StatusEvent) and event.data.to is RunStatus.RUNNING:
                    server.kill()
                    server.start()
            ended = client.get_run(run.id)

        assert [event.sequence for event in found] == list(range(1, ended.last_sequence + 1))
        assert found[-1].data.to == ended.status == RunStatus.SUCCEEDED


class TestOthers:
    def test_system(self, api: FineryClient) -> None:
        system = api.system()

        assert system.cpu_count >= 1
        assert system.database == "sqlite"

    def test_models(self, api: FineryClient) -> None:
        assert "finery/tiny-llama" in {model.name for model in api.list_models()}

    def test_recipes(self, api: FineryClient) -> None:
        assert "sft" in {recipe.name for recipe in api.list_recipes()}
        assert api.get_recipe("dpo").settings[0].required
        with pytest.raises(FineryError, match="did you mean 'dpo'"):
            api.get_recipe("dpp")

    def test_health(self, api: FineryClient) -> None:
        assert api.is_healthy()

    def test_an_upload_can_be_trained_on(self, api: FineryClient, live: RunningServer, tmp_path: Path) -> None:
        file = tmp_path / "자료.jsonl"
        file.write_text('{"text": "一"}\n', encoding="utf-8")
        uploaded = api.upload_dataset(file)

        assert uploaded.path.startswith("dataset:")
        assert (uploaded.filename, uploaded.size_bytes) == ("자료.jsonl", file.stat().st_size)
        run = api.create_run("cpt", {"model_name": "finery/tiny-llama", "dataset_path": uploaded.path})
        assert run.dataset == uploaded.path

    def test_no_deployments(self, api: FineryClient) -> None:
        assert api.list_deployments() == []
        with pytest.raises(FineryError):
            api.create_deployment("finery/tiny-lama")
