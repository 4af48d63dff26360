"""Stored datasets on the command line."""

import pytest

from tests.cli.command import Finery
from tests.domain.datasets.stored import ROW


@pytest.fixture
def finery(rosa: Finery) -> Finery:
    """Of somebody who sees nobody else's datasets."""
    return rosa


class TestDatasets:
    def test_from_upload_to_delete(self, finery: Finery) -> None:
        (finery.folder / "rows.jsonl").write_text(ROW)
        (finery.folder / "more.jsonl").write_text(ROW + '{"prompt": "c", "completion": "d"}\n')
        stored = finery("datasets", "upload", "rows.jsonl", "--name", "chats", "--note", "first", "--json").json
        assert (stored["version"], stored["note"]) == (1, "first")
        added = finery("datasets", "upload", "more.jsonl", "--to", "chats")
        assert added.out == f"Stored as dataset:{stored['dataset_id']}@2\n"
        assert "1 rows added, 0 removed, 1 kept\n+ 2: " in finery("datasets", "diff", "chats", "1").out
        assert finery("datasets", "preview", "chats", "--version", "1").json_lines == [
            {"prompt": "a", "completion": "b"}
        ]
        assert finery("datasets", "stats", "chats", "--json").json["rows"] == 2
        assert "tokens (estimated)" in finery("datasets", "stats", "chats").out
        assert finery("datasets", "restore", "chats", "1").out.endswith("@3\n")
        assert len(finery("datasets", "versions", "chats").out.splitlines()) == 4
        assert "yes" not in finery("datasets", "list").out
        assert finery("datasets", "share", "chats").out == "chats is shared\n"
        assert finery("datasets", "rename", "chats", "talks").code == 0
        assert finery("datasets", "show", "talks", "--json").json["newest"]["version"] == 3
        assert finery("datasets", "delete", stored["dataset_id"]).out == "talks is deleted\n"
        assert finery("datasets", "list").out.startswith("No datasets.")

    def test_the_beginning_of_an_id_is_enough(self, finery: Finery) -> None:
        ids = []
        for name in ("one", "two"):
            (finery.folder / "rows.jsonl").write_text(ROW)
            ids.append(finery("datasets", "upload", "rows.jsonl", "--name", name, "--json").json["dataset_id"])
        assert finery("datasets", "show", ids[0][:12], "--json").json["id"] == ids[0]
        several = finery("datasets", "delete", "ds_")
        assert (several.code, several.out) == (2, "")
        assert all(each in several.err for each in ids)
        assert finery("datasets", "delete", ids[1][:12]).out == "two is deleted\n"

    def test_download(self, finery: Finery) -> None:
        (finery.folder / "rows.jsonl").write_text(ROW)
        finery("datasets", "upload", "rows.jsonl", "--name", "down")
        taken = finery("datasets", "download", "down")
        assert (taken.code, "--force" in taken.err) == (2, True)
        (finery.folder / "there").mkdir()
        assert finery("datasets", "download", "down", "there").code == 0
        assert (finery.folder / "there" / "rows.jsonl").read_text() == ROW

    @pytest.mark.parametrize(
        "words",
        [
            ("upload", "none.jsonl"),
            ("show", "none"),
            ("show", "ds_0"),
            ("upload", "pyproject.toml", "--to", "x", "--name", "y"),
        ],
    )
    def test_refused(self, finery: Finery, words: tuple[str, ...]) -> None:
        ended = finery("datasets", *words)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("finery: ")
