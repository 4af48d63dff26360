from pathlib import Path

import pytest

from finery.kit.paths import PathRefused, PathResolver


@pytest.fixture
def resolver(tmp_path: Path) -> PathResolver:
    home, root = tmp_path / "home", tmp_path / "root"
    for folder in (home / ".finery", root):
        folder.mkdir(parents=True)
    return PathResolver(home, [root], [home / ".finery", home / "training.db"])


class TestResolve:
    @pytest.mark.parametrize(
        "text",
        ["x" * 255, "긴" * 85, "a.json", "./data/../a.json", ".finery2/x", "training.db.json", "x/training.db-wal"],
    )
    def test_below_home(self, resolver: PathResolver, text: str) -> None:
        assert resolver.resolve(text).is_relative_to(resolver.home)

    def test_below_an_allowed_root(self, resolver: PathResolver) -> None:
        path = resolver.roots[0] / "x"
        assert resolver.resolve(str(path)) == path

    @pytest.mark.parametrize(
        "text",
        [
            *("", "\0", "~/x", "/etc/passwd", "../x", "x/../../x", "a" * 5000),
            *("x" * 300, "긴" * 100, "/".join(["긴" * 80] * 20), "\ud800"),
            *(".finery/secret.key", ".finery", "x/../.finery/a", "training.db", "training.db-wal", "training.db-shm"),
        ],
    )
    def test_refused(self, resolver: PathResolver, text: str) -> None:
        with pytest.raises(PathRefused):
            resolver.resolve(text)

    def test_a_link_leads_nowhere_else(self, resolver: PathResolver) -> None:
        (resolver.home / "etc").symlink_to("/etc")
        (resolver.home / "key").symlink_to(resolver.home / ".finery" / "secret.key")
        for text in ("etc/passwd", "key"):
            with pytest.raises(PathRefused):
                resolver.resolve(text)

    def test_a_link_in_a_circle(self, resolver: PathResolver) -> None:
        (resolver.home / "a").symlink_to(resolver.home / "a")
        with pytest.raises(PathRefused):
            resolver.resolve("a")
