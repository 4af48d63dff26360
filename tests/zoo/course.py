"""A cell from its base model to its verdict: trained, compared, resumed, merged and served."""

import shutil
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from finery.engines.transformers.loading import ModelNotLoadable
from finery.engines.transformers.starting import GENERATORS
from tests.trainers.running import Ended
from tests.zoo import serving, training
from tests.zoo.cells import Cell
from tests.zoo.results import EXACT, PLAIN, REFUSED, WRONG
from tests.zoo.serving import Engine, EngineFailed


@dataclass
class Verdict:
    cell: Cell
    trained: str = EXACT
    served: str = EXACT
    told: list[str] = field(default_factory=list)
    """What is wrong, or why it was refused."""
    seconds: float = 0.0

    @property
    def is_wrong(self) -> bool:
        return WRONG in (self.trained, self.served)


def carry_out(cell: Cell, folder: Path, engine: Engine) -> Verdict:
    """Trains and serves a cell's model; `folder`, empty before, is removed."""
    began, verdict = time.monotonic(), Verdict(cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = cell.architecture.make(folder / "base", cell.family.make())
        ended = training.train(folder, base, method=cell.method)
        if _judge_end(verdict, ended):
            _judge_training(verdict, folder, base, ended)
            _judge_serving(verdict, folder / "output", engine)
    shutil.rmtree(folder)
    verdict.seconds = round(time.monotonic() - began, 1)
    return verdict


def _judge_end(verdict: Verdict, ended: Ended) -> bool:
    """Returns whether there is a trained model. One that is not trained must have been refused before its first step,
    in a sentence."""
    if ended.outcome.reason == "completed":
        return True
    message = ended.outcome.message or ""
    is_refusal = not ended.of("progress") and not training.NAME_OF_ERROR.match(message)
    verdict.trained = verdict.served = REFUSED if is_refusal else WRONG
    verdict.told.append(message)
    return False


def _judge_training(verdict: Verdict, folder: Path, base: Path, ended: Ended) -> None:
    method, output = verdict.cell.method, folder / "output"
    is_lora = method == "lora"
    bare = training.bare_losses(folder / "bare", base, adapter=output if is_lora else None)
    resumed = training.resume(folder, base, method=method).losses()
    rest = {step: loss for step, loss in ended.losses().items() if step > training.SAVE_STEPS}
    told = [
        *(f"bare TRL: {told}" for told in training.differences(ended.losses(), bare, noise=training.NOISE)),
        *(f"resumed: {told}" for told in training.differences(resumed, rest, noise=0.0)),
        *training.config_changes(base, output / "merged" if is_lora else output),
    ]
    if is_lora and (difference := serving.merge_difference(output)) > serving.NOISE:
        told.append(f"merged: logits differ by {difference:.2g}")
    if told:
        verdict.trained = WRONG
        verdict.told += told


def _judge_serving(verdict: Verdict, output: Path, engine: Engine) -> None:
    try:
        answers = engine.ask(output)
    except ModelNotLoadable as error:
        verdict.served = REFUSED
        verdict.told.append(f"served: {error}")
        return
    except (EngineFailed, ValueError, RuntimeError) as error:
        verdict.served = WRONG
        verdict.told.append(f"served: {type(error).__name__}: {error}")
        return
    wanted = serving.expected(output)
    told = [
        *serving.differences(answers.alone, wanted, what="alone"),
        *serving.differences(answers.at_once, wanted, what="at once"),
    ]
    is_quick = answers.generation == next(iter(GENERATORS))
    verdict.served = WRONG if told else EXACT if is_quick else PLAIN
    verdict.told += told
