import time

import pytest

from finery.client import FineryClient, FineryError, ServerUnreachable
from tests.client.answers import ended, event, listed, run, stream
from tests.client.scripted import Answerer, Scripted, ScriptedServer, as_json, error
from tests.ports import free_port

RUN = "/api/v1/runs/ab12cd34"
STREAM = f"GET {RUN}/events/stream"


def followed(*script: Scripted | Answerer, after: int = 0) -> tuple[list[int], ScriptedServer]:
    with ScriptedServer(*script) as server, FineryClient(url=server.url) as client:
        return [found.sequence for found in client.follow("ab12cd34", after=after)], server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finery.client.run_stream.FIRST_DELAY", 0.0)


class TestFollow:
    def test_ends_with_the_run(self) -> None:
        found, server = followed(stream(event(1), event(2), ended(3)))

        assert found == [1, 2, 3]
        assert server.paths == [STREAM]

    def test_a_broken_stream_is_taken_up_where_it_broke(self) -> None:
        found, server = followed(stream(event(1), event(2), cut=True), stream(event(3), ended(4)))

        assert found == [1, 2, 3, 4]
        assert [asked.headers["Last-Event-ID"] for asked in server.asked] == ["0", "2"]

    def test_a_repeated_event_is_told_once(self) -> None:
        found, _ = followed(stream(event(1), event(2), cut=True), stream(event(1), event(2), event(3), ended(4)))

        assert found == [1, 2, 3, 4]

    def test_what_a_stream_skips_is_fetched(self) -> None:
        found, server = followed(stream(event(1), ended(4)), listed(event(2)), listed(event(3)))

        assert found == [1, 2, 3, 4]
        assert server.paths[1:] == [f"GET {RUN}/events?after=1&limit=2", f"GET {RUN}/events?after=2&limit=1"]

    def test_begins_after_what_was_seen(self) -> None:
        found, server = followed(stream(event(8), ended(9)), after=7)

        assert found == [8, 9]
        assert server.asked[0].headers["Last-Event-ID"] == "7"

    def test_a_stream_that_ends_in_order_goes_on_while_the_run_does(self) -> None:
        found, server = followed(stream(event(1)), as_json(run()), stream(ended(2)))

        assert found == [1, 2]
        assert server.paths == [STREAM, f"GET {RUN}", STREAM]

    def test_nothing_is_left_to_tell_of_a_finished_run(self) -> None:
        found, _ = followed(Scripted(status=204), as_json(run(status="succeeded", last_sequence=5)), after=5)

        assert found == []

    def test_an_overloaded_server_is_asked_again(self) -> None:
        busy = error("unavailable", "busy", status=503)
        found, _ = followed(stream(event(1), cut=True), busy, stream(ended(2)))

        assert found == [1, 2]

    def test_a_refusal_ends_it(self) -> None:
        with pytest.raises(FineryError, match="there is no run"):
            followed(error("run_not_found", "there is no run 'ab12cd34'", status=404))

    def test_a_server_that_was_never_there_is_told_at_once(self) -> None:
        began = time.monotonic()
        with FineryClient(url=f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ServerUnreachable):
            list(client.follow("ab12cd34"))

        assert time.monotonic() - began < 5.0

    def test_patience_ends(self) -> None:
        with ScriptedServer(stream(event(1), cut=True)) as server, FineryClient(url=server.url) as client:
            events = client.follow("ab12cd34", reconnect_seconds=0.0)
            assert next(events).sequence == 1
        with pytest.raises(ServerUnreachable):
            list(events)
