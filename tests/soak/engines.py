"""One real engine that is killed and stopped, and must answer again each time."""

import signal
import time

import httpx

from tests.soak.acts import pause, restart
from tests.soak.world import RoundBroken, World

MODEL = "finery/tiny-llama"
SILENCE_SECONDS = 5.0
PATIENCE_SECONDS = 300.0
ASK = {"prompt": "Who keeps the fire?", "max_tokens": 4}


class Engine:
    """By hand it is deployed once, and comes back by itself; else each request for its model's name has it started."""

    def __init__(self, world: World, *, by_hand: bool) -> None:
        self._world = world
        self._client = httpx.Client(base_url=world.address, timeout=60, trust_env=False)
        self._path, self._body = "/v1/completions", {**ASK, "model": MODEL}
        if by_hand:
            answer = self._client.post("/api/v1/deployments", json={"model": MODEL})
            if answer.status_code != 201:
                raise RoundBroken(f"the deployment was refused: {answer.text}")
            self._path = f"/api/v1/deployments/{answer.json()['id']}/completions"

    def wait_for_answer(self) -> None:
        """Raises RoundBroken."""
        deadline, said = time.monotonic() + PATIENCE_SECONDS, "nothing"
        while time.monotonic() < deadline:
            try:
                answer = self._client.post(self._path, json=self._body)
                if answer.status_code == 200:
                    return
                said = f"{answer.status_code} {answer.text[:300]}"
            except httpx.TransportError as error:
                said = repr(error)
            time.sleep(0.3)
        raise RoundBroken(f"no engine answered for {PATIENCE_SECONDS:g} s; the last answer: {said}")

    def upset(self) -> bool:
        """Engine, shim or server are killed, or the engine hangs for good: it is ended, and another started."""
        world = self._world
        pause(world)
        victims = world.live_attempt("deployments")
        if victims is None:
            raise RoundBroken("an engine answered, and none is under way")
        match world.random.choice(("engine", "shim", "both", "hang")):
            case "engine":
                return world.signal(victims.run_id, "engine", victims.trainer, signal.SIGKILL)
            case "shim":
                return world.signal(victims.run_id, "shim", victims.shim, signal.SIGKILL)
            case "both":
                world.kill_server()
                is_killed = world.signal(victims.run_id, "engine", victims.trainer, signal.SIGKILL)
                restart(world)
                return is_killed
            case _:
                return world.signal(victims.run_id, "engine", victims.trainer, signal.SIGSTOP)

    def end(self) -> None:
        """All engines are stopped, and gone."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while live := [one for one in self._list() if one["finished_at"] is None]:
            for one in live:
                self._client.delete(f"/api/v1/deployments/{one['id']}")
            if time.monotonic() > deadline:
                raise RoundBroken(f"engines that do not end: {live}")
            time.sleep(0.3)
        self._client.close()

    def _list(self) -> list[dict[str, object]]:
        return list(self._client.get("/api/v1/deployments").raise_for_status().json()["deployments"])
