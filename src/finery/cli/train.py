"""`finery train`: submit a run, and follow it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperArgument, TyperCommand

from finery.cli.key_values import SettingRefused, merged, parse_labels, parse_settings
from finery.cli.output import JsonOption, print_json
from finery.cli.session import fail, server

if TYPE_CHECKING:
    from pydantic import JsonValue


class TrainCommand(TyperCommand):
    """Names the recipes in its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # They take a quarter of a second to import, which other commands need not wait for.
        from finery.contracts.recipes import RECIPES

        for param in self.params:
            if param.name == "recipe" and isinstance(param, TyperArgument):
                param.help = "; ".join(f"{recipe.name}: {recipe.title}" for recipe in RECIPES.values())
        super().format_help(ctx, formatter)


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="The training method.", show_default=False),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings of the recipe; they win over --config."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="A YAML or JSON file of settings.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Upload this local file, and train on it (dataset_path).")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="A name to tell runs apart.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="key=value; may be repeated.")] = None,
    priority: Annotated[int, typer.Option("--priority", help="Higher runs start earlier.")] = 0,
    gpus: Annotated[int | None, typer.Option("--gpus", min=0, help="GPUs to hold. Default: one if any.")] = None,
    time_limit: Annotated[float | None, typer.Option("--time-limit", help="In seconds.")] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Everybody who has an account may see it and use its model.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Submit, print the run's id, and leave.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model, and follow the run. Ctrl-C asks whether to detach, cancel or go on."""
    chosen = chosen_settings(config, settings or [])
    labels = _labels(label or [])
    with server() as client:
        from finery.contracts.run import Resources

        if data is not None:
            chosen["dataset_path"] = client.upload_dataset(existing(data)).path
        run = client.create_run(
            recipe,
            cast("Mapping[str, JsonValue]", chosen),
            name=name,
            labels=labels,
            priority=priority,
            resources=Resources(gpus=gpus),
            time_limit_seconds=time_limit,
            shared=shared,
        )
        if detach:
            print_json(run) if as_json else print(run.id)
            return
        from finery.cli.run_following import track

        if not as_json:
            print(f"Run {run.id}: {recipe}" + (f" of {run.model_name}" if run.model_name else ""), flush=True)
        raise typer.Exit(track(client, run.id, as_json=as_json))


def chosen_settings(config: Path | None, words: list[str]) -> dict[str, object]:
    from finery.kit.config_file import ConfigRefused, read_config

    try:
        return merged(read_config(config) if config else {}, parse_settings(words))
    except (ConfigRefused, SettingRefused) as error:
        fail(str(error))


def existing(file: Path) -> Path:
    if not file.is_file():
        fail(f"--data: {file} is no file")
    return file


def _labels(words: list[str]) -> dict[str, str]:
    try:
        return parse_labels(words)
    except SettingRefused as error:
        fail(f"--label: {error}")
