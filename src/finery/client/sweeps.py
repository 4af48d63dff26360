"""Client methods for sweeps: `FineryClient.sweeps`."""

import uuid
from collections.abc import Mapping

from pydantic import JsonValue

from finery.client.errors import MAX_NAMED, FineryError, ambiguous
from finery.client.transport import LONG_ANSWER_SECONDS, Transport, api_path, parse, without_none
from finery.contracts.run import Resources
from finery.contracts.sweeps import Goal, Sweep, SweepDetails, SweepPage


class Sweeps:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        recipe: str,
        config: Mapping[str, JsonValue],
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int = 0,
        resources: Resources | None = None,
        time_limit_seconds: float | None = None,
        shared: bool = False,
        metric: str | None = None,
        goal: Goal | None = None,
        idempotency_key: str | None = None,
    ) -> SweepDetails:
        """Submits a run for each combination of the values in `config`, whose fields may hold lists of them.

        All are accepted, or none. The best is found by `metric`, default: the evaluation's loss.
        """
        body: dict[str, object] = {
            "recipe": recipe,
            "config": dict(config),
            "name": name,
            "labels": dict(labels or {}),
            "priority": priority,
            "resources": (resources or Resources()).model_dump(mode="json"),
            "time_limit_seconds": time_limit_seconds,
            "shared": shared or None,
            "metric": metric,
            "goal": goal,
        }
        # Without a key, a request that is sent again after a broken connection could start the runs twice.
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._transport.post(
            SweepDetails,
            api_path("sweeps"),
            body=without_none(body),
            headers=headers,
            timeout=LONG_ANSWER_SECONDS,
            repeatable=True,
        )

    def list_page(self, *, limit: int | None = None, cursor: str | None = None) -> SweepPage:
        """Returns sweeps newest first; `next_cursor` leads to the older ones."""
        return self._transport.get(SweepPage, api_path("sweeps"), {"limit": limit, "cursor": cursor})

    def get(self, sweep_id: str, *, metric: str | None = None, goal: Goal | None = None) -> SweepDetails:
        """Returns a sweep with its runs, ranked by `metric` in place of its own."""
        return self._transport.get(SweepDetails, api_path("sweeps", sweep_id), {"metric": metric, "goal": goal})

    def find(self, text: str) -> Sweep:
        """Returns the sweep of this id, else the only one whose id begins so, with or without `sweep-`.

        Raises FineryError, also where several ids begin so.
        """
        try:
            return self.get(text)
        except FineryError as error:
            if error.code != "sweep_not_found":
                raise
            known = self.list_page(limit=1000).sweeps
            found = [each for each in known if each.id.startswith((text, f"sweep-{text}"))]
            if len(found) > 1:
                raise ambiguous("sweep", text, [each.id for each in found[: MAX_NAMED + 1]]) from None
            if not found:
                raise
            return found[0]

    def update(self, sweep_id: str, *, name: str | None = None, shared: bool | None = None) -> SweepDetails:
        """Changes what is given; `shared` also of its runs."""
        body = without_none({"name": name, "shared": shared})
        answer = self._transport.request("PATCH", api_path("sweeps", sweep_id), body=body, repeatable=True)
        return parse(SweepDetails, answer)

    def cancel(self, sweep_id: str) -> SweepDetails:
        """Cancels all runs that have not ended."""
        return self._transport.post(SweepDetails, api_path("sweeps", sweep_id, "cancel"))

    def delete(self, sweep_id: str, *, runs: bool = False) -> None:
        """Deletes a sweep; with `runs` its runs, too, which must have ended."""
        self._transport.request("DELETE", api_path("sweeps", sweep_id), parameters={"runs": "true"} if runs else None)
