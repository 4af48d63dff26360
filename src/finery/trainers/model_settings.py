"""Saves models with the configuration that they were loaded with.

Trainers change the live one for their own use: `use_cache`, `output_router_logits`, the ids of special tokens. Saved,
these would decide how the model is served.
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel, Trainer
from transformers.utils import GENERATION_CONFIG_NAME


@dataclass(frozen=True)
class ModelSettings:
    """A model's configuration and generation settings."""

    config: PretrainedConfig
    generation_config: GenerationConfig | None
    """None for a model that generates nothing, as a reward model."""

    @classmethod
    def of(cls, model: PreTrainedModel) -> "ModelSettings":
        return cls(model.config, model.generation_config if model.can_generate() else None)

    def copy(self) -> "ModelSettings":
        return copy.deepcopy(self)

    def apply(self, model: PreTrainedModel) -> None:
        """Gives the model these very objects: what is changed in them afterwards, the model follows."""
        model.config = self.config
        if self.generation_config is not None:
            model.generation_config = self.generation_config

    @contextmanager
    def applied(self, model: PreTrainedModel) -> Iterator[None]:
        """Gives the model a copy of these settings for a while, and then its own again."""
        own = ModelSettings.of(model)
        self.copy().apply(model)
        try:
            yield
        finally:
            own.apply(model)


class SettingsKeepingTrainer(Trainer):
    """A trainer whose checkpoints hold the settings that its model had when the trainer was made.

    A whole model that goes on from a checkpoint is given as it was loaded from there; an adapter, its base.
    """

    def __init__(self, model: PreTrainedModel, **arguments: Any) -> None:
        self.loaded_settings = ModelSettings.of(model).copy()
        super().__init__(model=model, **arguments)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        folder = Path(output_dir or self.args.output_dir)
        with self.loaded_settings.applied(whole_model(self.model)), generation_as_it_is(self.model, folder):
            super().save_model(output_dir, _internal_call)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: PreTrainedModel | None = None) -> None:
        """Loads the adapter. A whole model's weights would be read once more, and a mixture's experts not found."""
        if isinstance(self.model, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)


@contextmanager
def generation_as_it_is(model: PreTrainedModel | PeftModel, folder: Path) -> Iterator[None]:
    """Has what is saved into `folder` meanwhile get the model's generation settings without a check of them.

    `save_pretrained` refuses many that bases have (a temperature beside `do_sample: false`) once anything in them was
    changed, as the end tokens are: after hours of training.
    """
    own = None if isinstance(model, PeftModel) or not model.can_generate() else model.generation_config
    if own is None:
        yield
        return
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own
    if (folder / GENERATION_CONFIG_NAME).exists():
        own.to_json_file(folder / GENERATION_CONFIG_NAME, keys_to_pop=["compile_config"])


def whole_model(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Returns the model that is trained, or to which the trained adapter belongs."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def name_stop_tokens(model: PreTrainedModel, learned: Iterable[int]) -> None:
    """Adds the tokens that ended the learned answers to those at which generation stops.

    Called before a trainer is made, so that checkpoints name them, too.
    """
    known = model.generation_config.eos_token_id
    ids = [known] if isinstance(known, int) else list(known or [])
    ids += sorted(set(learned) - set(ids))
    model.generation_config.eos_token_id = ids[0] if len(ids) == 1 else ids
