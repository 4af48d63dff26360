"""What `src` imports is what pyproject.toml declares, each folder with the extras that it is installed with."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "finery"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {"trainers": "train", "engines": "serve"}


def normal(name: str) -> str:
    """As packages are compared: `Jinja2` is `jinja2`, `huggingface_hub` is `huggingface-hub`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(folder: str) -> set[str]:
    requirements = [*PROJECT["dependencies"]]
    if folder in EXTRAS:
        requirements += PROJECT["optional-dependencies"][EXTRAS[folder]]
    return {normal(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}


def imported(path: Path) -> Iterator[str]:
    """The packages at the top of what is imported, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


@pytest.mark.parametrize("folder", sorted(path.name for path in SOURCE.iterdir() if any(path.glob("**/*.py"))))
def test_every_import_is_declared(folder: str) -> None:
    installed = packages_distributions()
    packages = {name for path in (SOURCE / folder).glob("**/*.py") for name in imported(path)}
    foreign = packages - set(sys.stdlib_module_names) - {"finery"}
    missing = {
        name for name in foreign if not {normal(found) for found in installed.get(name, [name])} & declared(folder)
    }

    assert missing == set()


@pytest.mark.parametrize("package", ["transformers", "torch"])
def test_a_package_of_both_extras_has_the_same_bounds(package: str) -> None:
    bounds = {
        requirement
        for extra in EXTRAS.values()
        for requirement in PROJECT["optional-dependencies"][extra]
        if re.match(rf"{package}\b", requirement)
    }

    assert len(bounds) == 1
