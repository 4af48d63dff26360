"""FineryClient: methods for runs, models, deployments and chat, and the groups of further methods."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from finery.client.accounts import Accounts
from finery.client.audit import Audit
from finery.client.chat import ChatAnswer, ChatChunk, ChatMessage, Sampling
from finery.client.datasets import Datasets
from finery.client.errors import MAX_NAMED, FineryError, ServerUnreachable, ambiguous
from finery.client.responses import (
    ArtifactFile,
    ArtifactFiles,
    ArtifactList,
    DeploymentList,
    EventList,
    LogSlice,
    LogTail,
    MetricList,
    MetricPoint,
    ModelList,
    RecipeList,
    System,
    UploadedDataset,
)
from finery.client.run_stream import follow
from finery.client.secrets import Secrets
from finery.client.sse import read_messages
from finery.client.sweeps import Sweeps
from finery.client.transport import CHUNK_BYTES, LONG_ANSWER_SECONDS, Transport, api_path, parse, without_none
from finery.client.webhooks import Webhooks
from finery.contracts.attention import Attention, AttentionList
from finery.contracts.deployment import Deployment, EngineChoice, EngineOptions, ModelInfo
from finery.contracts.events import Event
from finery.contracts.recipe_reference import RecipeReference, RecipeSummary
from finery.contracts.run import Artifact, QueuePlace, Resources, Run, RunPage
from finery.contracts.run_sort import RunSort, SortDirection
from finery.contracts.status import RunStatus

STREAM_END = "[DONE]"
LARGEST_SLICE_BYTES = 16 << 20
# A first guess at where the last lines of a log begin.
TYPICAL_LINE_BYTES = 200


class FineryClient:
    """Talks to the server at `url` (default: FINERY_URL, else http://127.0.0.1:8001) with `api_key` (default:
    FINERY_API_KEY, else what `finery login` stored for this server; an empty one: none at all).

    All methods raise FineryError for what the server refuses, and ServerUnreachable. Requests that may be sent twice
    are sent again when the connection breaks or the server is overloaded."""

    def __init__(self, *, url: str | None = None, api_key: str | None = None) -> None:
        self._transport = Transport(url=url, api_key=api_key)
        self.accounts = Accounts(self._transport)
        self.secrets = Secrets(self._transport)
        self.audit = Audit(self._transport)
        self.datasets = Datasets(self._transport)
        self.sweeps = Sweeps(self._transport)
        self.webhooks = Webhooks(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def url(self) -> str:
        return self._transport.url

    def is_healthy(self) -> bool:
        """Returns False also when nothing answers."""
        try:
            return self._transport.request("GET", "/healthz").is_success
        except ServerUnreachable:
            return False

    def system(self) -> System:
        return self._transport.get(System, api_path("system"))

    def create_run(
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
        run_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Submits a run, for the caller alone or `shared` with all who have an account.

        The same `idempotency_key` with the same request answers the same run.
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
            "id": run_id,
        }
        # Without a key, a request that is sent again after a broken connection could start a second run.
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._transport.post(Run, api_path("runs"), body=without_none(body), headers=headers, repeatable=True)

    def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        recipe: str | None = None,
        label: tuple[str, str] | None = None,
        id_prefix: str | None = None,
        sweep: str | None = None,
        owner: str | None = None,
        name: str | None = None,
        sort: RunSort | None = None,
        direction: SortDirection | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RunPage:
        """Returns runs newest first, or in the order of `sort`; `next_cursor` leads to those after them.

        `owner` is a user's name or id, `name` a part of the runs' names.
        """
        parameters = {
            "status": status,
            "recipe": recipe,
            "label": "=".join(label) if label else None,
            "id_prefix": id_prefix,
            "sweep": sweep,
            "owner": owner,
            "name": name,
            "sort": sort,
            "direction": direction,
            "limit": limit,
            "cursor": cursor,
        }
        return self._transport.get(RunPage, api_path("runs"), parameters)

    def get_run(self, run_id: str) -> Run:
        return self._transport.get(Run, api_path("runs", run_id))

    def find_run(self, text: str) -> Run:
        """Returns the run of this id, else the only one whose id begins so.

        Raises FineryError, also where several ids begin so.
        """
        try:
            return self.get_run(text)
        except FineryError as error:
            if error.code != "run_not_found":
                raise
            runs = self.list_runs(id_prefix=text, limit=MAX_NAMED + 1).runs
            if len(runs) > 1:
                raise ambiguous("run", text, [run.id if run.id.startswith(text) else run.uid for run in runs]) from None
            if not runs:
                raise
            return runs[0]

    def queue_place(self, run_id: str) -> QueuePlace:
        """Returns where a queued run stands, and what it waits for. Raises FineryError where it is not queued."""
        return self._transport.get(QueuePlace, api_path("runs", run_id, "queue"))

    def update_run(
        self,
        run_id: str,
        *,
        shared: bool | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Run:
        """Changes what is given."""
        changes = {"shared": shared, "name": name, "labels": None if labels is None else dict(labels)}
        path = api_path("runs", run_id)
        return parse(Run, self._transport.request("PATCH", path, body=without_none(changes), repeatable=True))

    def cancel_run(self, run_id: str) -> Run:
        return self._request_intent(run_id, "cancel")

    def pause_run(self, run_id: str) -> Run:
        return self._request_intent(run_id, "pause")

    def resume_run(self, run_id: str) -> Run:
        """Queues a paused run again, or returns the new run that goes on from the last checkpoint of one that ended."""
        return self._request_intent(run_id, "resume")

    def stop_run(self, run_id: str) -> Run:
        """Lets a run end early and save its model."""
        return self._request_intent(run_id, "stop")

    def checkpoint_run(self, run_id: str) -> Run:
        return self._request_intent(run_id, "checkpoint")

    def delete_run(self, run_id: str) -> None:
        self._transport.request("DELETE", api_path("runs", run_id))

    def log_tail(self, run_id: str, *, lines: int = 100) -> LogTail:
        """Returns the last `lines` lines; 0: all."""
        return self._transport.get(LogTail, api_path("runs", run_id, "logs"), {"tail": lines})

    def log_slice(self, run_id: str, *, offset: int, limit: int = CHUNK_BYTES) -> LogSlice:
        """Returns at most `limit` bytes from byte `offset` on; the next slice starts at `next_offset`."""
        return self._transport.get(LogSlice, api_path("runs", run_id, "logs"), {"offset": offset, "limit": limit})

    def log_end(self, run_id: str, *, lines: int) -> LogSlice:
        """Returns the last `lines` lines as a slice, so that the log can be followed from its `next_offset` on.

        Where lines are very long there may be fewer. With 0 the slice is empty, and lies before the first line.
        """
        if lines == 0:
            return LogSlice(text="", next_offset=0)
        with self._transport.stream("GET", api_path("runs", run_id, "logs", "content")) as answer:
            size = int(answer.headers["Content-Length"])
        window = lines * TYPICAL_LINE_BYTES
        while True:
            start = max(0, size - min(window, LARGEST_SLICE_BYTES))
            part = self.log_slice(run_id, offset=start, limit=max(1, size - start))
            # The first line of a slice that begins in the middle of the log may be cut off.
            kept = part.text.splitlines(keepends=True)[0 if start == 0 else 1 :]
            if start == 0 or len(kept) >= lines or window >= LARGEST_SLICE_BYTES:
                return LogSlice(text="".join(kept[-lines:]), next_offset=part.next_offset)
            window *= 8

    def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """Returns the stored events after sequence number `after`, oldest first."""
        parameters = {"after": after, "limit": limit}
        return self._transport.get(EventList, api_path("runs", run_id, "events"), parameters).events

    def follow(self, run_id: str, *, after: int = 0, reconnect_seconds: float = 60.0) -> Iterator[Event]:
        """Yields the events after `after` as they happen, each exactly once, until the run has finished.

        After a broken connection it goes on where that broke; it waits `reconnect_seconds` for a lost server.
        A paused run is followed until somebody resumes it.
        """
        return follow(self._transport, run_id, after=after, reconnect_seconds=reconnect_seconds)

    def wait(self, run_id: str, *, timeout: float | None = None, interval: float = 0.5) -> Run:
        """Returns the run once it has finished. Raises TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (run := self.get_run(run_id)).status.is_finished:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"run {run_id} is still {run.status} after {timeout:g} s")
            time.sleep(interval)
        return run

    def metrics(self, run_id: str, *, points: int = 500) -> list[MetricPoint]:
        """Returns the metrics over time, thinned out to about `points`; all evaluations are kept."""
        return self._transport.get(MetricList, api_path("runs", run_id, "metrics"), {"points": points}).points

    def artifacts(self, run_id: str) -> list[Artifact]:
        return self._transport.get(ArtifactList, api_path("runs", run_id, "artifacts")).artifacts

    def artifact_files(self, run_id: str, artifact_id: int) -> list[ArtifactFile]:
        """Returns what is in an artifact that is a folder."""
        path = api_path("runs", run_id, "artifacts", str(artifact_id), "content")
        return self._transport.get(ArtifactFiles, path).files

    def download_artifact(self, run_id: str, artifact_id: int, target: Path, *, inner: str | None = None) -> None:
        """Writes an artifact that is a file, or the file `inner` of one that is a folder, to `target`.

        `target` appears only when it is whole.
        """
        path = api_path("runs", run_id, "artifacts", str(artifact_id), "content")
        self._transport.download(path, target, {"path": inner})

    def export_run(self, run_id: str, target: Path) -> None:
        """Writes the run as one HTML document to `target`, which appears only when it is whole."""
        self._transport.download(api_path("runs", run_id, "export"), target)

    def upload_dataset(self, file: Path) -> UploadedDataset:
        return self._transport.upload(UploadedDataset, api_path("datasets"), file)

    def list_recipes(self) -> list[RecipeSummary]:
        return self._transport.get(RecipeList, api_path("recipes")).recipes

    def get_recipe(self, name: str) -> RecipeReference:
        """Returns a recipe with its settings: types, bounds, defaults and meanings."""
        return self._transport.get(RecipeReference, api_path("recipes", name))

    def attention(self, run_id: str | None = None) -> list[Attention]:
        """Returns what needs attention now: of the caller's runs and, where they may see it, of the machine; or of one
        run."""
        path = api_path("attention") if run_id is None else api_path("runs", run_id, "attention")
        return self._transport.get(AttentionList, path).attention

    def list_models(self) -> list[ModelInfo]:
        return self._transport.get(ModelList, api_path("models")).models

    def create_deployment(
        self,
        model: str,
        *,
        engine: EngineChoice = "auto",
        slot: str | None = None,
        options: EngineOptions | None = None,
        shared: bool = False,
    ) -> Deployment:
        """Starts an engine on `model`; it answers once its status is `running`."""
        body: dict[str, object] = {
            "model": model,
            "engine": None if engine == "auto" else engine,
            "slot": slot,
            "options": options.model_dump(mode="json") if options else None,
            "shared": shared or None,
        }
        return self._transport.post(Deployment, api_path("deployments"), body=without_none(body))

    def list_deployments(self) -> list[Deployment]:
        return self._transport.get(DeploymentList, api_path("deployments")).deployments

    def get_deployment(self, deployment_id: str) -> Deployment:
        return self._transport.get(Deployment, api_path("deployments", deployment_id))

    def update_deployment(self, deployment_id: str, *, shared: bool) -> Deployment:
        path = api_path("deployments", deployment_id)
        return parse(Deployment, self._transport.request("PATCH", path, body={"shared": shared}, repeatable=True))

    def stop_deployment(self, deployment_id: str) -> None:
        self._transport.request("DELETE", api_path("deployments", deployment_id))

    def chat(self, deployment_id: str, messages: Sequence[ChatMessage], sampling: Sampling | None = None) -> ChatAnswer:
        path = api_path("deployments", deployment_id, "chat", "completions")
        return self._transport.post(ChatAnswer, path, body=_chat_body(messages, sampling), timeout=LONG_ANSWER_SECONDS)

    def chat_stream(
        self, deployment_id: str, messages: Sequence[ChatMessage], sampling: Sampling | None = None
    ) -> Iterator[str]:
        """Yields the answer's text, piece by piece."""
        path = api_path("deployments", deployment_id, "chat", "completions")
        body = {**_chat_body(messages, sampling), "stream": True}
        with self._transport.stream("POST", path, body=body) as answer:
            for message in read_messages(answer.iter_bytes()):
                if message.data == STREAM_END:
                    return
                if text := ChatChunk.model_validate_json(message.data).text:
                    yield text

    def _request_intent(self, run_id: str, intent: str) -> Run:
        return self._transport.post(Run, api_path("runs", run_id, intent), repeatable=True)


def _chat_body(messages: Sequence[ChatMessage], sampling: Sampling | None) -> dict[str, object]:
    settings = sampling.model_dump(exclude_none=True) if sampling else {}
    return {"messages": [message.model_dump(exclude_none=True) for message in messages], **settings}
