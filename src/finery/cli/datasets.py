"""`finery datasets`: upload, list, show, compare, download, share and delete stored datasets."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.dataset_check import check
from finery.cli.output import (
    JsonOption,
    WideOption,
    YesOption,
    age,
    confirm,
    print_facts,
    print_json,
    print_table,
    printable,
    size,
)
from finery.cli.session import fail, server

if TYPE_CHECKING:
    from finery.contracts.stored_datasets import Dataset, DatasetVersion, Lengths, PreviewRow

app = typer.Typer(help="Stored datasets and their versions.", no_args_is_help=True)

DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help="The dataset's id (or its beginning) or name.", show_default=False)
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A local file.", show_default=False)]
VersionOption = Annotated[int | None, typer.Option("--version", min=1, help="Default: the newest.")]
NoteOption = Annotated[str | None, typer.Option("--note", help="What is to be known of this version.")]


app.command()(check)


@app.command()
def upload(
    file: FileArgument,
    name: Annotated[str | None, typer.Option("--name", help="Default: as the file is called.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DATASET", help="Add a version to this dataset instead.")
    ] = None,
    note: NoteOption = None,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody read it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Store a file. A file of the same name again becomes the next version of its dataset."""
    if not file.is_file():
        fail(f"{file} is no file")
    if to is not None and (name or shared):
        fail("--to adds a version to a dataset as it is: leave --name and --shared out")
    with server() as client:
        if to is None:
            stored = client.datasets.upload(file, name=name, note=note, shared=shared).newest
        else:
            stored = client.datasets.add_version(client.datasets.find(to).id, file, note=note)
    print_json(stored) if as_json else print(f"Stored as {stored.reference}")


@app.command("list")
def list_datasets(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 100,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the datasets that you may see, newest first."""
    with server() as client:
        datasets = client.datasets.list_page(limit=limit).datasets
    columns = ("ID", "NAME", "VERSION", "SIZE", "SHARED", "CHANGED")
    empty = "No datasets. `finery datasets upload FILE` stores one."
    print_json({"datasets": datasets}) if as_json else print_table(columns, map(_row, datasets), empty=empty, wide=wide)


@app.command()
def show(dataset: DatasetArgument, as_json: JsonOption = False) -> None:
    """Show a dataset and its newest version."""
    with server() as client:
        stored = client.datasets.find(dataset)
    print_json(stored) if as_json else print_facts(_facts(stored))


@app.command()
def versions(dataset: DatasetArgument, wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List a dataset's versions, newest first."""
    with server() as client:
        rows = client.datasets.versions(client.datasets.find(dataset).id)
    columns = ("VERSION", "FILE", "SIZE", "SHA256", "BY", "CREATED", "NOTE")
    print_json({"versions": rows}) if as_json else print_table(
        columns, map(_version_row, rows), empty="", keys=(), wide=wide
    )


@app.command()
def preview(
    dataset: DatasetArgument,
    version: VersionOption = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, max=100, help="How many.")] = 5,
    offset: Annotated[int, typer.Option("--offset", min=0, help="After so many.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print some rows, one JSON object a line."""
    with server() as client:
        page = client.datasets.preview(client.datasets.find(dataset).id, version=version, rows=rows, offset=offset)
    if as_json:
        print_json(page)
        return
    for row in page.rows:
        print(_line(row))


@app.command()
def stats(dataset: DatasetArgument, version: VersionOption = None, as_json: JsonOption = False) -> None:
    """Count rows, roles and lengths; tokens are estimated."""
    with server() as client:
        counted = client.datasets.statistics(client.datasets.find(dataset).id, version=version)
    if as_json:
        print_json(counted)
        return
    print_facts(
        {
            "rows": f"{counted.rows:,}" + (f" ({counted.invalid:,} of them invalid)" if counted.invalid else ""),
            "shapes": _counts(counted.shapes),
            "messages by role": _counts(counted.roles),
            "tokens (estimated)": f"{counted.tokens.total:,}",
            "tokens per row": _lengths(counted.tokens),
            "characters per row": _lengths(counted.characters),
            "messages per row": _lengths(counted.messages),
        }
    )


@app.command()
def diff(
    dataset: DatasetArgument,
    old: Annotated[int, typer.Argument(metavar="OLD", min=1, help="A version.", show_default=False)],
    new: Annotated[int | None, typer.Argument(metavar="[NEW]", min=1, help="Default: the newest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions by their rows, whatever the order."""
    with server() as client:
        changes = client.datasets.diff(client.datasets.find(dataset).id, old, new)
    if as_json:
        print_json(changes)
        return
    print(f"{changes.added:,} rows added, {changes.removed:,} removed, {changes.kept:,} kept")
    for mark, rows in (("+", changes.first_added), ("-", changes.first_removed)):
        for row in rows:
            print(f"{mark} {row.line}: {_line(row)}")


@app.command()
def restore(
    dataset: DatasetArgument,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Which one.", show_default=False)],
    note: NoteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an old version's content the newest version."""
    with server() as client:
        stored = client.datasets.restore(client.datasets.find(dataset).id, version, note=note)
    print_json(stored) if as_json else print(f"Stored as {stored.reference}")


@app.command()
def download(
    dataset: DatasetArgument,
    target: Annotated[
        Path | None, typer.Argument(metavar="[TARGET]", help="A file or a folder. Default: here, as it was called.")
    ] = None,
    version: VersionOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download a version's file, as it was uploaded."""
    with server() as client:
        stored = client.datasets.find(dataset)
        number = version or stored.newest.version
        chosen = next((each for each in client.datasets.versions(stored.id) if each.version == number), None)
        if chosen is None:
            fail(f"{stored.name} has no version {number}")
        path = _target(target, chosen.filename)
        if path.exists() and not force:
            fail(f"{path} is there already; --force replaces it")
        try:
            client.datasets.download(stored.id, path, version=number)
        except OSError as error:
            fail(f"{path}: cannot be written: {error.strerror}")
    print_json({"file": str(path)}) if as_json else print(path)


@app.command()
def share(
    dataset: DatasetArgument,
    off: Annotated[bool, typer.Option("--off", help="Keep it to yourself again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let everybody who may read datasets see it."""
    with server() as client:
        stored = client.datasets.update(client.datasets.find(dataset).id, shared=not off)
    print_json(stored) if as_json else print(f"{stored.name} is {'shared' if stored.shared else 'private'}")


@app.command()
def rename(
    dataset: DatasetArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new one.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Give a dataset another name."""
    with server() as client:
        stored = client.datasets.update(client.datasets.find(dataset).id, name=name)
    print_json(stored) if as_json else print(f"{stored.id} is named {stored.name}")


@app.command()
def delete(dataset: DatasetArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete a dataset with all its versions. Refused while an unfinished run reads one of them."""
    with server() as client:
        stored = client.datasets.find(dataset)
        confirm(f"Delete dataset {printable(stored.name)} with all its versions?", yes=yes, as_json=as_json)
        client.datasets.delete(stored.id)
    print_json({"deleted": stored.id}) if as_json else print(f"{stored.name} is deleted")


def _row(dataset: "Dataset") -> tuple[str, ...]:
    newest = dataset.newest
    shared = "yes" if dataset.shared else "no"
    return (dataset.id, dataset.name, str(newest.version), size(newest.size_bytes), shared, age(dataset.updated_at))


def _version_row(version: "DatasetVersion") -> tuple[str, ...]:
    return (
        str(version.version),
        version.filename,
        size(version.size_bytes),
        version.sha256[:12],
        version.created_by,
        age(version.created_at),
        version.note or "",
    )


def _facts(dataset: "Dataset") -> dict[str, str | None]:
    newest = dataset.newest
    return {
        "id": dataset.id,
        "name": dataset.name,
        "shared": "yes" if dataset.shared else "no",
        "newest version": str(newest.version),
        "file": newest.filename,
        "size": size(newest.size_bytes),
        "sha256": newest.sha256,
        "note": newest.note,
        "created": age(dataset.created_at),
        "changed": age(dataset.updated_at),
        "to train on it": f"dataset_path: {newest.reference}",
    }


def _line(row: "PreviewRow") -> str:
    if row.value is None:
        return f"(row {row.number}, line {row.line}: {row.problem})"
    return printable(json.dumps(row.value, ensure_ascii=False))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _lengths(row: "Lengths") -> str:
    return f"min {row.min:,}, mean {row.mean:,.1f}, median {row.p50:,}, p95 {row.p95:,}, max {row.max:,}"


def _target(target: Path | None, filename: str) -> Path:
    """Returns where to write a version; a `target` that is a folder gets a file of the uploaded name."""
    # Another user chose the name: without its folders it cannot lead out of the target.
    name = Path(filename).name or "dataset"
    if target is None:
        return Path(name)
    return target / name if target.is_dir() else target
