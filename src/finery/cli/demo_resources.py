"""What the demo asks of a server, ended with the demo; the server may be somebody else's."""

import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from finery.cli.chat_session import wait_until_running
from finery.cli.display import choose_view
from finery.cli.exit_codes import ExitCode
from finery.cli.run_following import summary
from finery.cli.samples import write_samples
from finery.cli.session import fail
from finery.client import ClientError, FineryClient
from finery.contracts.deployment import Deployment
from finery.contracts.run import Run
from finery.contracts.status import RunStatus


class DemoResources:
    def __init__(self, client: FineryClient, *, quiet: bool) -> None:
        self._client = client
        self._quiet = quiet
        self._runs: list[str] = []
        self._deployments: list[str] = []

    def upload_sample(self, name: str) -> str:
        """A shipped dataset, as a `dataset_path` of that server."""
        with tempfile.TemporaryDirectory(prefix="finery-demo-data-") as folder:
            write_samples(Path(folder))
            return self._client.upload_dataset(Path(folder) / name).path

    def train(self, recipe: str, settings: Mapping[str, object], title: str) -> Run:
        """Ends the command when the run does not succeed."""
        run = self._client.create_run(recipe, cast("Mapping[str, JsonValue]", settings), name=f"demo {recipe}")
        self._runs.append(run.id)
        if not self._quiet:
            print(f"\n{title} (run {run.id}, recipe {recipe})")
        with choose_view(quiet=self._quiet) as view:
            for event in self._client.follow(run.id):
                view.show(event)
        ended = self._client.get_run(run.id)
        if ended.status is not RunStatus.SUCCEEDED:
            told = f"the {recipe} run did not succeed: {ended.error or ended.status}\n{self._last_lines(run)}"
            fail(told, ExitCode.FAILED)
        if not self._quiet:
            print(summary(ended))
        return ended

    def serve(self, *models: str) -> list[Deployment]:
        """All of them, loaded at the same time."""
        started = []
        for model in models:
            started.append(self._client.create_deployment(model).id)
            self._deployments.append(started[-1])
        return [wait_until_running(self._client, deployment_id) for deployment_id in started]

    def end(self) -> None:
        """Cancels the runs that go on, and stops the engines; what has ended stays as it is."""
        while self._runs:
            run = self._client.get_run(self._runs.pop())
            if not run.status.is_finished:
                self._client.cancel_run(run.id)
        while self._deployments:
            deployment = self._client.get_deployment(self._deployments.pop())
            if not deployment.status.is_finished:
                self._client.stop_deployment(deployment.id)

    def _last_lines(self, run: Run) -> str:
        return "\n".join(self._client.log_tail(run.id, lines=20).lines)


@contextmanager
def demo_resources(client: FineryClient, *, quiet: bool) -> Iterator[DemoResources]:
    work = DemoResources(client, quiet=quiet)
    try:
        yield work
    finally:
        # An impatient second Ctrl-C would leave the work behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        with suppress(ClientError):
            work.end()
        signal.signal(signal.SIGINT, before)
