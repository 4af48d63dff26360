"""The steps of `finery demo`: SFT, DPO, questions to both models, and the verdict."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from finery.cli.demo_page import show_page
from finery.cli.demo_resources import DemoResources, demo_resources
from finery.cli.demo_server import DemoServer, OwnServer, demo_server, existing_server
from finery.cli.exit_codes import ExitCode
from finery.cli.output import console, print_json, printable
from finery.cli.session import fail, failing_clearly
from finery.client import ChatMessage, FineryClient, Sampling
from finery.contracts.run import Run

UNTRAINED = "finery/tiny-llama"
QUESTIONS = ("What is Finery?", "Where does the name Finery come from?")

# A learning rate this high suits a model this small, and no other; and on a model this small, bf16 costs a CPU more
# than it saves.
SFT_SETTINGS: dict[str, object] = {
    "model_name": UNTRAINED,
    "num_epochs": 40,
    "batch_size": 47,
    "learning_rate": 5e-3,
    "lr_scheduler": "cosine",
    "max_length": 128,
    "precision": "fp32",
    "save_total_limit": 1,
}
DPO_SETTINGS: dict[str, object] = {
    "num_epochs": 2,
    "batch_size": 14,
    "learning_rate": 2e-5,
    "max_length": 128,
    "precision": "fp32",
    "save_total_limit": 1,
}
ANSWER_TOKENS = 48


@dataclass(frozen=True)
class QuestionResult:
    """What the untrained model and the trained one answer to a question, and what the data taught."""

    question: str
    untrained: str
    trained: str
    taught: str

    @property
    def is_right(self) -> bool:
        return self.trained.strip() == self.taught


@dataclass(frozen=True)
class RewardMargin:
    """How much more the model favours the chosen answers, at the first step and at the last."""

    before: float
    after: float

    @property
    def has_grown(self) -> bool:
        return self.after > self.before


def demonstrate(*, home: Path | None, url: str | None, keep: bool, as_json: bool) -> ExitCode:
    """Runs the demo on the server at `url`, or else on one that it starts in `home`."""
    began = time.monotonic()
    say: Callable[[str], None] = (lambda _: None) if as_json else partial(print, flush=True)
    with (
        failing_clearly(),
        existing_server(url) if url else demo_server(home) as server,
        FineryClient(url=server.url) as client,
        demo_resources(client, quiet=as_json) as work,
    ):
        say(_greeting(server))
        sft = work.train(
            "sft",
            _settings(server, SFT_SETTINGS, work.upload_sample("instructions.jsonl"), "demo-sft"),
            "Supervised fine-tuning of an untrained model on the shipped instructions",
        )
        dpo = work.train(
            "dpo",
            {
                **_settings(server, DPO_SETTINGS, work.upload_sample("preferences.jsonl"), "demo-dpo"),
                "model_name": sft.id,
            },
            "Preference optimisation (DPO) of the result",
        )
        margin = _margin(client, dpo)
        say("Loading the untrained model and the trained one")
        answers = _ask_both_models(client, work, dpo)
        work.end()
        seconds = time.monotonic() - began
        if as_json:
            print_json(_as_dict(server, sft, dpo, margin, answers, seconds))
        else:
            _show(margin, answers)
            say(f"\nDone in {seconds:.0f} s. {_last_words(server, keep=keep)}")
        if server.own is not None and keep:
            server.own.is_kept = True
            _print_next_steps(server.url, server.own, dpo, say)
        if not as_json:
            show_page(server)
    return _verdict(margin, answers)


def _greeting(server: DemoServer) -> str:
    if server.own is None:
        return f"The server at {server.url} is used"
    return f"A server runs at {server.url}; its home is {server.own.home}"


def _settings(server: DemoServer, settings: Mapping[str, object], data: str, output: str) -> dict[str, object]:
    # On somebody else's server each run keeps to the output that the server chooses.
    place = {} if server.own is None else {"output_dir": f"outputs/{output}"}
    return {**settings, **place, "dataset_path": data}


def _margin(client: FineryClient, run: Run) -> RewardMargin:
    extras = [point.model_extra or {} for point in client.metrics(run.id)]
    margins = [float(extra["rewards_margin"]) for extra in extras if extra.get("rewards_margin") is not None]
    if not margins:
        fail("the dpo run reported no reward margin", ExitCode.FAILED)
    return RewardMargin(margins[0], margins[-1])


def _ask_both_models(client: FineryClient, work: DemoResources, trained: Run) -> list[QuestionResult]:
    untrained_id, trained_id = (deployment.id for deployment in work.serve(UNTRAINED, trained.id))
    taught = _taught_answers()
    return [
        QuestionResult(
            question=question,
            untrained=_answer(client, untrained_id, question),
            trained=_answer(client, trained_id, question),
            taught=taught[question],
        )
        for question in QUESTIONS
    ]


def _taught_answers() -> dict[str, str]:
    """Returns the answers of the shipped instructions by their questions."""
    text = (resources.files("finery") / "samples" / "instructions.jsonl").read_text(encoding="utf-8")
    turns = [json.loads(line)["messages"] for line in text.splitlines()]
    return {question["content"]: answer["content"] for question, answer in turns}


def _answer(client: FineryClient, deployment_id: str, question: str) -> str:
    sampling = Sampling(max_tokens=ANSWER_TOKENS, temperature=0)
    return client.chat(deployment_id, [ChatMessage(role="user", content=question)], sampling).text


def _show(margin: RewardMargin, answers: list[QuestionResult]) -> None:
    lines = console()
    lines.print(f"\nReward margin of the preferred answers: {margin.before:.3f} at first, {margin.after:.3f} at last")
    for answer in answers:
        lines.print(f"\nQ: {answer.question}")
        lines.print(f"   untrained: {printable(_short(answer.untrained))}")
        lines.print(f"   trained:   {printable(answer.trained)}", style="bold")
        lines.print("   as taught" if answer.is_right else f"   WRONG; taught was: {answer.taught}")


def _last_words(server: DemoServer, *, keep: bool) -> str:
    if server.own is None or keep:
        return f"The API is documented at {server.url}/docs"
    return "The demo's server ends now; `finery server` starts one that stays."


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _print_next_steps(url: str, own: OwnServer, run: Run, say: Callable[[str], None]) -> None:
    say(f"\nThe server goes on at {url}. To explore it:")
    say(f"  export FINERY_URL={url}")
    say(f"  finery chat {run.id}")
    say(f"To stop it: kill {own.process.pid}; what it keeps is in {own.home}")


def _verdict(margin: RewardMargin, answers: list[QuestionResult]) -> ExitCode:
    wrong = [answer.question for answer in answers if not answer.is_right]
    if wrong:
        fail(f"the demo failed: the trained model did not answer as taught to: {'; '.join(wrong)}", ExitCode.FAILED)
    if not margin.has_grown:
        fail("the demo failed: preference optimisation did not raise the reward margin", ExitCode.FAILED)
    return ExitCode.SUCCEEDED


def _as_dict(
    server: DemoServer, sft: Run, dpo: Run, margin: RewardMargin, answers: list[QuestionResult], seconds: float
) -> dict[str, object]:
    return {
        "url": server.url,
        "docs": f"{server.url}/docs",
        "home": str(server.own.home) if server.own else None,
        "pid": server.own.process.pid if server.own else None,
        "sft": sft,
        "dpo": dpo,
        "rewards_margin": asdict(margin),
        "answers": [{**asdict(answer), "is_right": answer.is_right} for answer in answers],
        "seconds": round(seconds, 1),
    }
