"""Renders a finished model's README.md: its base, data, metrics and settings, with the hub's front matter."""

import json
from typing import Any

from finery.contracts.recipes import RECIPES, TrainingConfig
from finery.trainers.attempt import Attempt


def model_card(
    attempt: Attempt, config: TrainingConfig, metrics: dict[str, float], data_sha256: str, targets: dict[str, int]
) -> str:
    """`targets`: what an adapter changes, by name and count; empty for a whole model."""
    spec = attempt.spec
    front = {
        "base_model": config.model_name,
        "library_name": "peft" if config.use_lora else "transformers",
        "tags": ["finery", spec.recipe, "trl", *(["lora"] if config.use_lora else [])],
    }
    lines = [
        "---",
        # The front matter is YAML, of which JSON is a part that quotes what must be quoted.
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items()),
        "---",
        "",
        f"# {spec.output_dir.name}",
        "",
        f"`{config.model_name}` after {RECIPES[spec.recipe].title}"
        f"{' (a LoRA adapter)' if config.use_lora else ''}, trained with Finery, "
        f"run `{spec.run_id}`.",
        "",
        "## Data",
        "",
        *_table({"file": config.dataset_path, "sha256": data_sha256}),
        "",
        "## Figures",
        "",
        *_table(metrics),
        "",
        *(("## Adapted", "", *_table(dict(targets)), "") if targets else ()),
        "## Settings",
        "",
        *_table(
            config.model_dump(mode="json", exclude_none=True, exclude={"model_name", "dataset_path", "chat_template"})
        ),
    ]
    return "\n".join(lines) + "\n"


def _table(values: dict[str, Any]) -> list[str]:
    rows = [f"| {name} | {_cell(value)} |" for name, value in values.items() if value is not None]
    return ["| | |", "|---|---|", *rows]


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = f"{value:.6g}" if isinstance(value, float) else text
    return text.replace("|", "\\|").replace("\n", " ")
