"""`finery datasets check`: checks a local data file as a run would, without a server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.exit_codes import ExitCode
from finery.cli.output import JsonOption, print_facts, print_json, printable, size
from finery.cli.session import fail
from finery.kit.grouped_flaws import group_flaws

if TYPE_CHECKING:
    from finery.contracts.datasets.measurement import DatasetCheck, Measurement, MeasurementRefused, NotMeasured
    from finery.contracts.datasets.report import Duplicates, Overlap


def check(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A data file, or a folder with a dataset_info.json.", show_default=False),
    ],
    recipe: Annotated[str, typer.Option("--recipe", help="What it is to serve.")] = "sft",
    entry: Annotated[str | None, typer.Option("--entry", help="The entry of a folder's dataset_info.json.")] = None,
    validation: Annotated[
        Path | None, typer.Option("--validation", metavar="FILE", help="Find rows that this file has too.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Measure in this model's tokens: a folder, a hub id or a built-in name."),
    ] = None,
    max_length: Annotated[int, typer.Option("--max-length", min=8, help="With --model: where rows are cut.")] = 1024,
    as_json: JsonOption = False,
) -> None:
    """Check a local file as a run's data is checked, without a server. Exit code 2 when a run would refuse it."""
    result = _check_file(file, recipe, entry, validation, model, max_length)
    print_json(result) if as_json else _print(result)
    if not result.ok:
        raise typer.Exit(ExitCode.REFUSED)


def _check_file(
    file: Path, recipe: str, entry: str | None, validation: Path | None, model: str | None, max_length: int
) -> "DatasetCheck":
    # These take half a second to import, which other commands need not wait for.
    from finery.contracts.datasets import InfoRefused, open_source
    from finery.contracts.datasets.check import examine
    from finery.contracts.datasets.measurement import dataset_check_of
    from finery.contracts.datasets.recipes import learning_recipes

    if recipe not in learning_recipes():
        fail(f"--recipe: {recipe} learns from no dataset; known: {', '.join(learning_recipes())}")
    for path in (file, *([validation] if validation else [])):
        if not path.is_file() and not path.is_dir():
            fail(f"{path} is neither a file nor a folder")
    try:
        source = open_source(file, entry)
        report = examine(source, recipe, open_source(validation) if validation else None)
    except InfoRefused as error:
        fail(str(error))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    if model is None or not report.ok:
        return dataset_check_of(report, None)
    return dataset_check_of(report, _measure(file.absolute(), recipe, entry, model, max_length))


def _measure(
    file: Path, recipe: str, entry: str | None, model: str, max_length: int
) -> "Measurement | NotMeasured | MeasurementRefused":
    from finery.contracts.datasets.measurement import MeasurementRequest
    from finery.contracts.datasets.measurement_program import measure_in_subprocess
    from finery.contracts.datasets.recipes import example_kind_of, not_measured
    from finery.contracts.layout import HomeDirectory
    from finery.contracts.recipes import RECIPES

    rules = RECIPES[recipe].tokens
    if rules is None:
        return not_measured(recipe)
    folder = Path(model)
    return measure_in_subprocess(
        MeasurementRequest(
            dataset=file,
            entry=entry,
            recipe=recipe,
            examples=example_kind_of(recipe),
            rules=rules,
            model=str(folder.absolute()) if folder.is_dir() else model,
            models_cache=HomeDirectory(Path(os.environ.get("FINERY_HOME", ".")).absolute()).models,
            max_length=max_length,
        )
    )


def _print(result: "DatasetCheck") -> None:
    print_facts(_facts(result))
    for flaw in group_flaws(
        (issue.line, f"{issue.field}: {issue.reason}".removeprefix(": ")) for issue in result.issues
    ):
        print(f"  {printable(flaw)}")
    if (rest := result.invalid - len(result.issues)) > 0:
        print(f"  … and {rest:,} more rows")
    measured = result.measurement.warnings if result.measurement and result.measurement.is_measured else ()
    for warning in (*result.warnings, *measured):
        lines = ", ".join(str(place.line) for place in warning.places)
        more = ", …" if warning.count > len(warning.places) else ""
        where = f": line {lines}{more}" if lines else ""
        print(f"warning: {warning.count:,} × {warning.message}{where}")
    print("A run may train on it." if result.ok else f"Refused: {result.refusal or result.misfit}")


def _facts(result: "DatasetCheck") -> dict[str, str | None]:
    longest = result.longest
    return {
        "file": f"{result.file} ({size(result.bytes)})",
        "recipe": result.recipe,
        "rows": f"{result.rows:,}, {result.trainable:,} to learn from, {result.invalid:,} with an issue",
        "shapes": ", ".join(f"{count:,} {shape}" for shape, count in result.shapes.items()),
        "roles": "; ".join(f"{count:,} {order}" for order, count in list(result.role_orders.items())[:5]),
        "messages": f"{result.messages:,}, {result.masked_messages:,} answers masked, {result.tool_calls:,} tool calls",
        "tokens": f"about {result.estimated_tokens:,}",
        "longest row": f"line {longest.line}, {longest.bytes:,} bytes" if longest else None,
        "duplicates": _duplicates(result.duplicates, result.rows - result.invalid),
        "validation": _overlap(result.overlap) if result.overlap else None,
        "measured": _measurement(result.measurement) if result.measurement else None,
    }


def _duplicates(duplicates: "Duplicates", rows: int) -> str:
    among = f" among the first {duplicates.compared:,} rows" if duplicates.compared < rows else ""
    return f"{duplicates.count:,}{among}"


def _overlap(overlap: "Overlap") -> str:
    return overlap.unreadable or f"{overlap.count:,} rows are in {overlap.file} too, which has {overlap.rows:,}"


def _measurement(result: "Measurement | NotMeasured") -> str:
    if not result.is_measured:
        return f"no: {result.reason}"
    lengths = result.lengths
    sample = "" if result.is_exact else f" (of each {result.stride}th row)"
    return (
        f"{result.tokens:,} tokens, {result.trainable_tokens:,} of them learned{sample}; per row {lengths.min}–"
        f"{lengths.max}, median {lengths.p50}; cut at {result.max_length}: {result.truncated:,} rows, nothing left to "
        f"learn in {result.vanished:,}; template fails on {result.failed:,}"
    )
