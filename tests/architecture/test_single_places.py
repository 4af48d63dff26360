"""What is done in one place only: archives are unpacked, links and `~` in paths are followed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "finery"

EXTRACTOR = "kit/archives.py"
ARCHIVE_MODULES = {"tarfile", "zipfile", "zipimport", "py7zr", "rarfile", "patoolib", "libarchive"}
ARCHIVE_CALLS = {"unpack_archive", "extractall"}

# Each follows links or `~` in a path that does not come from a request; it says which.
FOLLOWERS = {
    "kit/paths.py": "this is the path resolver",
    "app/lease.py": "the operator's own home, and the database's file, which has one lock whatever it is called",
    "app/settings.py": "the operator's own home",
    "app/serve.py": "the operator's own home, shown to the operator",
    "cli/": "folders and files of the person who runs the command",
    "client/credentials.py": "the configuration of the person who runs the command",
    "contracts/datasets/info.py": "keeps the files of a dataset_info.json inside its folder",
    "domain/runs/model_users.py": "the base that an adapter here names, and the home's own folders, for comparison",
    "engines/transformers/loading.py": "the model on the engine's own command line, resolved by the server",
    "executors/local/executor.py": "where this package lies",
    "trainers/builtin/__main__.py": "the folder on the program's own command line",
}
FOLLOWING = {"realpath", "expanduser", "expandvars"}
HOME_ITSELF = "context.home.path.resolve()"


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def unpacking(tree: ast.Module) -> Iterator[str]:
    """What in the tree could unpack an archive."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in ARCHIVE_MODULES)
        elif isinstance(node, ast.ImportFrom):
            whole = (node.module or "").partition(".")[0] in ARCHIVE_MODULES
            yield from (alias.name for alias in node.names if whole or alias.name in ARCHIVE_CALLS)
        elif isinstance(node, ast.Attribute) and node.attr in ARCHIVE_CALLS:
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in ARCHIVE_MODULES:
            yield node.value


def following(tree: ast.Module) -> Iterator[str]:
    """What in the tree follows links or `~`. A `resolve` with arguments is another's, as the path resolver's own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name in FOLLOWING)
        elif _is_follower(node) and ast.unparse(node) != HOME_ITSELF:
            yield ast.unparse(node)


def _is_follower(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in FOLLOWING or ast.unparse(node) == "Path.resolve"
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "resolve"
        and not node.args
        and all(keyword.arg == "strict" for keyword in node.keywords)
    )


class TestArchives:
    def test_are_unpacked_in_one_place(self) -> None:
        found = {place: list(unpacking(tree)) for place, tree in trees() if place != EXTRACTOR}

        assert {place: names for place, names in found.items() if names} == {}

    def test_that_place_is_there(self) -> None:
        assert set(unpacking(dict(trees())[EXTRACTOR])) == {"zipfile"}

    @pytest.mark.parametrize(
        "code",
        [
            "import tarfile",
            "import zipfile as z",
            "from zipfile import ZipFile",
            "import shutil; shutil.unpack_archive('a')",
            "from shutil import unpack_archive",
            "archive.extractall('there')",
            "importlib.import_module('tarfile')",
        ],
    )
    def test_the_rule_sees(self, code: str) -> None:
        assert list(unpacking(ast.parse(code)))

    def test_the_rule_lets_pass_what_is_no_archive(self) -> None:
        assert list(unpacking(ast.parse("import gzip, shutil\nshutil.rmtree('a')\nname = 'zip'"))) == []


class TestPaths:
    def test_links_are_followed_in_known_places(self) -> None:
        found = {place: list(following(tree)) for place, tree in trees() if not place.startswith(tuple(FOLLOWERS))}

        assert {place: calls for place, calls in found.items() if calls} == {}

    def test_no_exception_outlives_its_need(self) -> None:
        used = [place for place, tree in trees() if list(following(tree))]

        assert [known for known in FOLLOWERS if not any(place.startswith(known) for place in used)] == []

    @pytest.mark.parametrize(
        "code",
        [
            "Path(text).resolve()",
            "(folder / name).resolve(strict=True)",
            "os.path.realpath(text)",
            "from os.path import realpath",
            "Path(text).expanduser()",
            "os.path.expandvars(text)",
            "map(Path.resolve, paths)",
        ],
    )
    def test_the_rule_sees(self, code: str) -> None:
        assert list(following(ast.parse(code)))

    @pytest.mark.parametrize("code", ["context.resolver.resolve(text)", HOME_ITSELF, "secrets.resolve(session, names)"])
    def test_the_rule_lets_pass(self, code: str) -> None:
        assert list(following(ast.parse(code))) == []
