import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
from starlette.testclient import TestClient

from finery.contracts.permissions import Principal
from finery.http.admission import Lane, in_thread, scans_files
from finery.http.problems import RequestRefused


class TestLane:
    def test_so_many_at_once(self) -> None:
        lane, inside, most = Lane("requests", 3), [], [0]
        lock = threading.Lock()

        def work() -> None:
            with lock:
                inside.append(1)
                most[0] = max(most[0], len(inside))
            with lock:
                inside.pop()

        async def burst() -> None:
            await asyncio.gather(*(lane.run(work) for _ in range(100)))

        asyncio.run(burst())
        assert most[0] <= 3
        assert not inside

    def test_in_the_order_in_which_they_came(self) -> None:
        lane, order = Lane("requests", 1), list[int]()

        async def burst() -> None:
            await asyncio.gather(*(lane.run(lambda number=number: order.append(number)) for number in range(50)))  # type: ignore[misc]

        asyncio.run(burst())
        assert order == list(range(50))

    def test_a_long_line_is_refused_at_once(self) -> None:
        lane, may_end = Lane("requests", 1, most_waiting=2), threading.Event()

        async def burst() -> None:
            working = [asyncio.create_task(lane.run(lambda: may_end.wait(30))) for _ in range(3)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            with pytest.raises(RequestRefused) as refused:
                await lane.run(may_end.set)
            assert refused.value.problem.status == 503
            assert refused.value.problem.headers["Retry-After"]
            may_end.set()
            await asyncio.gather(*working)

        asyncio.run(burst())

    def test_who_waits_too_long_is_refused(self) -> None:
        lane, may_end = Lane("requests", 1, patience_seconds=0.05), threading.Event()

        async def burst() -> None:
            first = asyncio.create_task(lane.run(lambda: may_end.wait(30)))
            await asyncio.sleep(0)
            with pytest.raises(RequestRefused, match="too many requests"):
                await lane.run(may_end.set)
            may_end.set()
            await first
            # Its place is free again.
            await lane.run(may_end.set)

        asyncio.run(burst())

    def test_what_is_raised_frees_the_place(self) -> None:
        lane = Lane("requests", 1, patience_seconds=0.5)

        async def twice() -> None:
            for _ in range(2):
                with pytest.raises(ZeroDivisionError):
                    await lane.run(lambda: 1 / 0)

        asyncio.run(twice())

    def test_one_user_leaves_places_for_the_others(self) -> None:
        lane, may_end = Lane("requests", 3, of_one_user=2), threading.Event()

        async def hang() -> None:
            async with lane.entered("greedy"):
                await in_thread(lambda: may_end.wait(30))

        async def ask(user_id: str) -> str:
            async with lane.entered(user_id):
                return user_id

        async def burst() -> None:
            greedy = [asyncio.create_task(hang()) for _ in range(50)]
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                assert [await ask("other") for _ in range(3)] == ["other"] * 3
            assert not any(each.done() for each in greedy)
            may_end.set()
            await asyncio.gather(*greedy)

        asyncio.run(burst())


class TestWorkedOnIn:
    def test_studies_do_not_keep_others_out(self, client: TestClient) -> None:
        """More checks are under way than there are threads for all, and who else asks is answered."""
        may_end = threading.Event()

        def hang(*_: object) -> None:
            may_end.wait(60)

        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(60) as pool:
            patch.setattr("finery.http.admission.SCANS_PER_USER", 100)
            patch.setattr("finery.api.native.dataset_checks.check_data", hang)
            for _ in range(60):
                pool.submit(client.post, "/api/v1/datasets/check", json={"path": "rows.jsonl"})
            assert client.get("/api/v1/runs").status_code == 200
            assert client.get("/api/v1/system").status_code == 200
            may_end.set()


class TestStudiesData:
    def test_one_user_leaves_a_place_for_the_others(self) -> None:
        may_end = threading.Event()

        @scans_files
        def study(*, user: Principal) -> None:
            if user.user_id == "greedy":
                may_end.wait(30)

        async def ask() -> None:
            greedy = [asyncio.create_task(study(user=Principal("greedy", "g", frozenset()))) for _ in range(5)]
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await study(user=Principal("other", "o", frozenset()))
            may_end.set()
            await asyncio.gather(*greedy)

        asyncio.run(ask())

    def test_one_user_does_not_fill_the_line(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        may_end = threading.Event()
        monkeypatch.setattr("finery.http.admission.SCANS_PER_USER", 2)
        monkeypatch.setattr("finery.api.native.dataset_checks.check_data", lambda *_: may_end.wait(60))
        with ThreadPoolExecutor(3) as pool:
            sent = [pool.submit(client.post, "/api/v1/datasets/check", json={"path": "a"}) for _ in range(3)]
            refused = next(as_completed(sent)).result()
            may_end.set()
        assert refused.status_code == 429
        assert refused.headers["Retry-After"]
        assert "2 looks at whole files" in refused.json()["error"]["message"]
