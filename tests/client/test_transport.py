import json

import pytest

from finery.client import BadConnection, FineryClient, FineryError, Issue, ServerUnreachable
from tests.client.answers import run
from tests.client.scripted import Scripted, ScriptedServer, as_json, error
from tests.ports import free_port

BUSY = error("unavailable", "the database is busy", status=503)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finery.client.transport.RETRY_DELAYS", (0.0, 0.0, 0.0))


class TestRequest:
    def test_a_question_is_asked_again(self) -> None:
        torn = Scripted(b"{", cut=True)
        with ScriptedServer(BUSY, torn, as_json(run())) as server, FineryClient(url=server.url) as client:
            assert client.get_run("ab12cd34").id == "ab12cd34"
            assert len(server.asked) == 3

    def test_not_for_ever(self) -> None:
        with ScriptedServer(BUSY) as server, FineryClient(url=server.url) as client:
            with pytest.raises(FineryError, match="the database is busy"):
                client.get_run("ab12cd34")
            assert len(server.asked) == 4

    def test_what_may_not_be_done_twice_is_done_once(self) -> None:
        with ScriptedServer(BUSY) as server, FineryClient(url=server.url) as client:
            with pytest.raises(FineryError):
                client.create_deployment("finery/tiny-llama")
            assert len(server.asked) == 1

    def test_a_submission_is_repeated_with_the_same_key(self) -> None:
        with ScriptedServer(BUSY, as_json(run(), status=201)) as server, FineryClient(url=server.url) as client:
            client.create_run("command", {"argv": ["true"]})
            first, second = server.asked
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
        assert json.loads(first.body)["config"] == {"argv": ["true"]}

    def test_a_given_key_is_sent(self) -> None:
        with ScriptedServer(as_json(run())) as server, FineryClient(url=server.url) as client:
            client.create_run("command", {}, idempotency_key="mine")
            assert server.asked[0].headers["Idempotency-Key"] == "mine"

    def test_an_id_cannot_leave_its_place(self) -> None:
        with ScriptedServer(as_json(run())) as server, FineryClient(url=server.url) as client:
            client.get_run("../../healthz?x=1")
            assert server.paths == ["GET /api/v1/runs/..%2F..%2Fhealthz%3Fx%3D1"]

    def test_nobody_answers(self) -> None:
        port = free_port()
        with (
            FineryClient(url=f"http://127.0.0.1:{port}") as client,
            pytest.raises(ServerUnreachable, match=rf"127\.0\.0\.1:{port}.*`finery server`"),
        ):
            client.get_run("ab12cd34")


class TestErrors:
    def refused(self, answer: Scripted) -> FineryError:
        with (
            ScriptedServer(answer) as server,
            FineryClient(url=server.url) as client,
            pytest.raises(FineryError) as caught,
        ):
            client.cancel_run("ab12cd34")
        return caught.value

    def test_issues_name_field_and_line(self) -> None:
        issues = [{"field": "dataset_path", "message": "no answer", "line": 7001}, {"field": "", "message": "whole"}]
        refusal = self.refused(error("invalid_run", "dataset_path: no answer", status=422, errors=issues))

        assert refusal.issues == [Issue("dataset_path", "no answer", 7001), Issue("", "whole")]
        assert str(refusal) == "line 7001: dataset_path: no answer; whole"
        assert (refusal.code, refusal.status, refusal.is_refusal) == ("invalid_run", 422, True)

    def test_a_field_that_its_message_names_is_not_named_twice(self) -> None:
        assert str(Issue("output_dir", "output_dir 'x' is a file")) == "output_dir 'x' is a file"

    def test_an_answer_that_is_none_of_ours(self) -> None:
        refusal = self.refused(Scripted(b"<h1>Bad gateway</h1>", status=500))

        assert (refusal.code, refusal.is_refusal) == ("unexpected_answer", False)
        assert "Bad gateway" in str(refusal)

    def test_another_server(self) -> None:
        refusal = self.refused(as_json({"hello": "world"}))

        assert "did not answer as a Finery server does" in str(refusal)


class TestTransport:
    def test_address_and_key_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedServer(as_json(run())) as server:
            monkeypatch.setenv("FINERY_URL", f"{server.url}/")
            monkeypatch.setenv("FINERY_API_KEY", "secret")
            with FineryClient() as client:
                client.get_run("ab12cd34")
            assert server.asked[0].headers["Authorization"] == "Bearer secret"

    def test_loopback_needs_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
        with ScriptedServer(as_json(run())) as server, FineryClient(url=server.url) as client:
            assert client.get_run("ab12cd34").id == "ab12cd34"

    @pytest.mark.parametrize("key", ["schlüssel", "a\nb"])
    def test_what_is_no_key(self, key: str) -> None:
        with pytest.raises(BadConnection, match="FINERY_API_KEY"):
            FineryClient(api_key=key)
