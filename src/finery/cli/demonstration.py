"""The steps of `finery demo`."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from finery.cli.conversation import wait_until_running
from finery.cli.demo import ANSWER_TOKENS, DPO_SETTINGS, QUESTIONS, SFT_SETTINGS, UNTRAINED
from finery.cli.demo_server import DemoServer, demo_server, stop_engines
from finery.cli.display import choose_view
from finery.cli.exits import ExitCode
from finery.cli.output import console, print_json, printable
from finery.cli.samples import write_samples
from finery.cli.session import fail, failing_clearly
from finery.cli.tracking import summary
from finery.client import ChatMessage, FineryClient, Sampling
from finery.contracts.run import Run
from finery.contracts.status import RunStatus


@dataclass(frozen=True)
class Answered:
    question: str
    untrained: str
    trained: str
    taught: str

    @property
    def is_right(self) -> bool:
        return self.trained.strip() == self.taught


@dataclass(frozen=True)
class Margin:
    """How much more the model favours the chosen answers, at the first step and at the last."""

    before: float
    after: float

    @property
    def has_grown(self) -> bool:
        return self.after > self.before


def demonstrate(*, home: Path | None, keep: bool, as_json: bool) -> ExitCode:
    began = time.monotonic()
    say = _silent if as_json else _say
    with failing_clearly(), demo_server(home) as server, FineryClient(url=server.url) as client:
        say(f"A server runs at {server.url}; its home is {server.home}")
        write_samples(server.home / "data")
        sft = _train(
            client,
            "sft",
            SFT_SETTINGS,
            "Supervised fine-tuning of an untrained model on the shipped instructions",
            as_json=as_json,
        )
        dpo = _train(client, "dpo", DPO_SETTINGS, "Preference optimisation (DPO) of the result", as_json=as_json)
        margin = _margin(client, dpo)
        say("Loading the untrained model and the trained one")
        answers = _ask_both(client, dpo)
        stop_engines(client)
        seconds = time.monotonic() - began
        if as_json:
            print_json(_as_dict(server, sft, dpo, margin, answers, seconds))
        else:
            _show(server, margin, answers, seconds)
        server.is_kept = keep
        if keep:
            _say_how_to_go_on(server, dpo, as_json=as_json)
    return _verdict(margin, answers)


def _train(client: FineryClient, recipe: str, settings: Mapping[str, object], title: str, *, as_json: bool) -> Run:
    run = client.create_run(recipe, cast("Mapping[str, JsonValue]", settings), name=f"demo {recipe}")
    if not as_json:
        print(f"\n{title} (run {run.id}, recipe {recipe})")
    with choose_view(quiet=as_json) as view:
        for event in client.follow(run.id):
            view.show(event)
    ended = client.get_run(run.id)
    if ended.status is not RunStatus.SUCCEEDED:
        fail(
            f"the {recipe} run did not succeed: {ended.error or ended.status}\n{_last_lines(client, run)}",
            ExitCode.FAILED,
        )
    if not as_json:
        print(summary(ended))
    return ended


def _last_lines(client: FineryClient, run: Run) -> str:
    return "\n".join(client.log_tail(run.id, lines=20).lines)


def _margin(client: FineryClient, run: Run) -> Margin:
    extras = [point.model_extra or {} for point in client.metrics(run.id)]
    margins = [float(extra["rewards_margin"]) for extra in extras if extra.get("rewards_margin") is not None]
    if not margins:
        fail("the dpo run reported no reward margin", ExitCode.FAILED)
    return Margin(margins[0], margins[-1])


def _ask_both(client: FineryClient, trained: Run) -> list[Answered]:
    deployments = [client.create_deployment(name) for name in (UNTRAINED, trained.id)]
    untrained_id, trained_id = (wait_until_running(client, each.id).id for each in deployments)
    taught = _taught()
    return [
        Answered(
            question=question,
            untrained=_answer(client, untrained_id, question),
            trained=_answer(client, trained_id, question),
            taught=taught[question],
        )
        for question in QUESTIONS
    ]


def _taught() -> dict[str, str]:
    """The shipped instructions: question to answer."""
    text = (resources.files("finery") / "samples" / "instructions.jsonl").read_text(encoding="utf-8")
    turns = [json.loads(line)["messages"] for line in text.splitlines()]
    return {asked["content"]: answered["content"] for asked, answered in turns}


def _answer(client: FineryClient, deployment_id: str, question: str) -> str:
    sampling = Sampling(max_tokens=ANSWER_TOKENS, temperature=0)
    return client.chat(deployment_id, [ChatMessage(role="user", content=question)], sampling).text


def _show(server: DemoServer, margin: Margin, answers: list[Answered], seconds: float) -> None:
    lines = console()
    lines.print(f"\nReward margin of the preferred answers: {margin.before:.3f} at first, {margin.after:.3f} at last")
    for answer in answers:
        lines.print(f"\nQ: {answer.question}")
        lines.print(f"   untrained: {printable(_short(answer.untrained))}")
        lines.print(f"   trained:   {printable(answer.trained)}", style="bold")
        lines.print("   as taught" if answer.is_right else f"   WRONG; taught was: {answer.taught}")
    lines.print(f"\nDone in {seconds:.0f} s. The API is documented at {server.url}/docs while the server runs.")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _say_how_to_go_on(server: DemoServer, run: Run, *, as_json: bool) -> None:
    say = _silent if as_json else _say
    say(f"\nThe server goes on at {server.url}. To explore it:")
    say(f"  export FINERY_URL={server.url}")
    say(f"  finery chat {run.id}")
    say(f"To stop it: kill {server.process.pid}; what it keeps is in {server.home}")


def _verdict(margin: Margin, answers: list[Answered]) -> ExitCode:
    wrong = [answer.question for answer in answers if not answer.is_right]
    if wrong:
        fail(f"the demo failed: the trained model did not answer as taught to: {'; '.join(wrong)}", ExitCode.FAILED)
    if not margin.has_grown:
        fail("the demo failed: preference optimisation did not raise the reward margin", ExitCode.FAILED)
    return ExitCode.SUCCEEDED


def _as_dict(
    server: DemoServer, sft: Run, dpo: Run, margin: Margin, answers: list[Answered], seconds: float
) -> dict[str, object]:
    return {
        "url": server.url,
        "docs": f"{server.url}/docs",
        "home": str(server.home),
        "pid": server.process.pid,
        "sft": sft,
        "dpo": dpo,
        "rewards_margin": asdict(margin),
        "answers": [{**asdict(answer), "is_right": answer.is_right} for answer in answers],
        "seconds": round(seconds, 1),
    }


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass
