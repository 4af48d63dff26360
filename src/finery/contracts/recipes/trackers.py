"""Which settings each experiment tracker supports (project, name, tags). Others are refused, not dropped."""

import re
from collections.abc import Sequence

from finery.kit.translatable import Translatable

SUPPORTED_FIELDS: dict[str, frozenset[str]] = {
    "wandb": frozenset({"tracker_project", "tracker_name", "tracker_entity", "tracker_tags"}),
    "mlflow": frozenset({"tracker_project", "tracker_name", "tracker_tags"}),
    "trackio": frozenset({"tracker_project", "tracker_name"}),
    "tensorboard": frozenset({"tracker_name"}),
}
"""Tracker → the fields that it supports. TensorBoard has only folders, one for each name."""

LONGEST_TAG_OF_WANDB = 64
KEY_OF_MLFLOW = re.compile(r"[\w/.:\- ]+")


def check_field(field: str, trackers: Sequence[str]) -> None:
    """Raises ValueError if no tracker was chosen, or one that does not support `field`."""
    if not trackers:
        raise ValueError(Translatable("it is for a tracker, and report_to names none"))
    for name in trackers:
        if field not in SUPPORTED_FIELDS[name]:
            raise ValueError(
                Translatable("{name} has no such thing; leave it out, or {name} out of report_to", name=name)
            )


def check_folder(name: str) -> None:
    """Raises ValueError for a name that cannot be a folder's."""
    if "/" in name or "\0" in name or name.startswith("."):
        raise ValueError(
            Translatable("tensorboard keeps each name in a folder: no slash in it, and no dot at its beginning")
        )


def check_tags(tags: Sequence[str], trackers: Sequence[str]) -> None:
    """Raises ValueError for a tag that one of the trackers would refuse or misread."""
    for tag in tags:
        if "wandb" in trackers and ("," in tag or len(tag) > LONGEST_TAG_OF_WANDB):
            raise ValueError(
                Translatable(
                    "a tag of wandb has no comma and at most {longest_tag_of_wandb} characters",
                    longest_tag_of_wandb=LONGEST_TAG_OF_WANDB,
                )
            )
        if "mlflow" in trackers and (not KEY_OF_MLFLOW.fullmatch(tag) or tag.startswith("mlflow.")):
            raise ValueError(
                Translatable("a tag of mlflow is letters, digits, spaces or _ - . : /, and does not begin with mlflow.")
            )
