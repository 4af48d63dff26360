"""Starts the runs and deployments of `finery demo`, and ends those that are left when the demo ends."""

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
        """Uploads a shipped dataset, and returns its `dataset_path` on the server."""
        with tempfile.TemporaryDirectory(prefix="finery-demo-data-") as folder:
            write_samples(Path(folder))
            return self._client.upload_dataset(Path(folder) / name).path

    def train(self, recipe: str, settings: Mapping[str, object], title: str) -> Run:
        """Runs a training and shows it; a run that does not succeed ends the command."""
        run = self._client.create_run(recipe, cast("Mapping[str, JsonValue]", settings), name=f"demo {recipe}")
        self._runs.append(run.id)
        if not self._quiet:
            print(f"\n{title} (run {run.id}, recipe {recipe})")
        with choose_view(quiet=self._quiet) as view:
            for event in self._client.follow(run.id):
                view.show(event)
        ended = self._client.get_run(run.id)
        if ended.status is not RunStatus.SUCCEEDED:
            log = "\n".join(self._client.log_tail(run.id, lines=20).lines)
            fail(f"the {recipe} run did not succeed: {ended.error or ended.status}\n{log}", ExitCode.FAILED)
        if not self._quiet:
            if loss := view.closing_words():
                print(loss)
            print(summary(ended))
        return ended

    def serve(self, *models: str) -> list[Deployment]:
        """Deploys the models at the same time, and returns their deployments in the same order."""
        for model in models:
            self._deployments.append(self._client.create_deployment(model).id)
        return [wait_until_running(self._client, each) for each in self._deployments[-len(models) :]]

    def end(self) -> None:
        """Cancels the runs that go on, and stops the engines."""
        while self._runs:
            run = self._client.get_run(self._runs.pop())
            if not run.status.is_finished:
                self._client.cancel_run(run.id)
        while self._deployments:
            deployment = self._client.get_deployment(self._deployments.pop())
            if not deployment.status.is_finished:
                self._client.stop_deployment(deployment.id)


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
