"""`finery samples`: copies the shipped sample datasets into a folder."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from finery.cli.output import JsonOption, print_json
from finery.cli.session import fail


def copy_samples(
    folder: Annotated[Path, typer.Argument(help="Where to; made when it is not there.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Copy the sample datasets that ship with Finery. Files that are there already are left as they are."""
    try:
        written = write_samples(folder)
    except OSError as error:
        fail(f"{folder}: cannot be written: {error.strerror}")
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        print(path)


def write_samples(folder: Path) -> list[Path]:
    """Writes the samples that are not there yet, and returns the paths of all of them, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for sample in (resources.files("finery") / "samples").iterdir():
        target = folder / sample.name
        if sample.name.endswith(".jsonl"):
            if not target.exists():
                target.write_bytes(sample.read_bytes())
            written.append(target)
    return sorted(written)
