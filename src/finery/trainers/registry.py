"""Which recipe is carried out by which function. A recipe's libraries are imported when it is chosen, not before."""

from collections.abc import Callable

from finery.contracts.process import Outcome
from finery.trainers.attempt import Attempt


def _sft(attempt: Attempt) -> Outcome:
    from finery.trainers.sft import train

    return train(attempt)


def _cpt(attempt: Attempt) -> Outcome:
    from finery.trainers.cpt import train

    return train(attempt)


def _dpo(attempt: Attempt) -> Outcome:
    from finery.trainers.dpo import train

    return train(attempt)


def _reward(attempt: Attempt) -> Outcome:
    from finery.trainers.reward import train

    return train(attempt)


def _kto(attempt: Attempt) -> Outcome:
    from finery.trainers.kto import train

    return train(attempt)


def _grpo(attempt: Attempt) -> Outcome:
    from finery.trainers.grpo import train

    return train(attempt)


def _command(attempt: Attempt) -> Outcome:
    from finery.trainers.command import train

    return train(attempt)


TRAINERS: dict[str, Callable[[Attempt], Outcome]] = {
    "sft": _sft,
    "cpt": _cpt,
    "dpo": _dpo,
    "reward": _reward,
    "kto": _kto,
    "grpo": _grpo,
    "command": _command,
}
