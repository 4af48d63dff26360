import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets import Source
from finery.contracts.datasets.check import examine
from finery.contracts.datasets.report import DatasetReport
from finery.domain.datasets import DatasetNotFound, DatasetRefused, check, check_dataset
from finery.domain.datasets.check import ReportCache
from finery.domain.errors import ErrorKind, Issue

SHARED = Path(__file__).parents[4] / "shared" / "data"
SECRET = "Jane Roe, 42 Elm Street"

USER = {"role": "user", "content": "u"}
ANSWER = {"role": "assistant", "content": "a"}


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def write(folder: Path, *rows: Any, name: str = "d.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


REFUSED: dict[str, tuple[str, bytes, int | None, str, str]] = {
    "a role that nobody knows": ("sft", b'{"messages": [{"role": "usr"}]}', 1, "messages[0].role", "unknown role"),
    "a row cut short": ("sft", b'{"text": "t"}\n{"text": "t', 2, "", "truncated"),
    "NaN": ("cpt", b'{"text": "t", "score": NaN}', 1, "", "invalid character"),
    "a number out of range": ("cpt", b'{"text": "t"}\n{"text": "t", "score": 1e999}', 2, "", "out of range"),
    "broken UTF-8 where nobody reads": ("cpt", b'{"text": "t"}\n{"text": "t", "by": "\xff"}', 2, "", "UTF-8"),
    "a list": ("sft", b'{"text": "t"}\n[1, 2]', 2, "", "Expected `object`"),
    "a depth bomb": ("sft", b'{"text":' * 20_000, 1, "", "nested too deeply"),
    "no answer": ("sft", b'{"instruction": "i"}', 1, "output", "missing"),
    "rows of another recipe": ("dpo", b'{"text": "t"}', 1, "", "which serves sft and cpt"),
    "a verdict that is none": ("kto", b'{"prompt": "p", "completion": "c", "label": 3}', 1, "label", "true or false"),
    "an empty file": ("sft", b"", None, "", "holds no rows"),
    "an empty array": ("sft", b"[]", None, "", "holds no rows"),
    "only empty answers": ("sft", b'{"prompt": "p", "completion": " "}', None, "", "no row has a trainable token"),
    "only weights of 0": (
        "sft",
        json.dumps(chat(USER, ANSWER | {"weight": 0})).encode(),
        None,
        "",
        "no row has a trainable token",
    ),
    "chosen as rejected": ("dpo", b'{"prompt": "p", "chosen": "a", "rejected": "a"}', None, "", "no row has"),
    "a pickle": ("sft", b"\x80\x04K\x01.", None, "", "a pickle"),
    "a cut gzip stream": ("cpt", gzip.compress(b'{"text": "t"}\n' * 999)[:40], None, "", "gzip"),
}


class TestCheckDataset:
    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not at hand")
    @pytest.mark.parametrize(
        ("name", "recipe", "shapes"),
        [
            ("alpaca_en_demo.json", "sft", {"alpaca": 999}),
            ("alpaca_zh_demo.json", "sft", {"alpaca": 1000}),
            ("identity.json", "sft", {"alpaca": 91}),
            ("c4_demo.jsonl", "cpt", {"text": 300}),
            ("c4_demo.jsonl", "sft", {"text": 300}),
            ("dpo_en_demo.json", "dpo", {"sharegpt_preference": 299}),
            ("dpo_en_demo.json", "reward", {"sharegpt_preference": 299}),
            ("kto_en_demo.json", "kto", {"messages_feedback": 300}),
        ],
    )
    def test_real_files(self, name: str, recipe: str, shapes: dict[str, int]) -> None:
        report = check_dataset(SHARED / name, recipe=recipe)
        assert (report.shapes, report.untrainable) == (shapes, 0)
        assert report.bytes == (SHARED / name).stat().st_size

    def test_reports(self, tmp_path: Path) -> None:
        system = {"role": "system", "content": "s"}
        rows = [
            chat(USER, ANSWER),
            chat(system, USER, ANSWER),
            chat(USER, ANSWER | {"weight": 0}),
            {"prompt": "p", "completion": ""},
            {"text": "t"},
            chat(USER, ANSWER),
        ]
        report = check_dataset(write(tmp_path, *rows), recipe="sft")
        assert (report.rows, report.untrainable, report.trainable) == (6, 2, 4)
        assert report.shapes == {"messages": 4, "prompt_completion": 1, "text": 1}
        assert report.role_orders == {"user assistant": 4, "system user assistant": 1}

    @pytest.mark.parametrize("case", REFUSED)
    def test_refuses(self, tmp_path: Path, case: str) -> None:
        recipe, content, line, field, reason = REFUSED[case]
        path = tmp_path / "d.jsonl"
        path.write_bytes(content)
        with pytest.raises(DatasetRefused, match=r"^d\.jsonl: ") as caught:
            check_dataset(path, recipe=recipe)
        assert (caught.value.kind, caught.value.code) == (ErrorKind.INVALID, "dataset_invalid")
        assert (caught.value.issues[0].line, caught.value.issues[0].field) == (line, field)
        assert reason in caught.value.issues[0].message
        assert reason in str(caught.value)

    def test_row_7001_is_named(self, tmp_path: Path) -> None:
        good, bad = chat(USER, ANSWER), chat(USER, {"role": "assistant", "content": 5})
        path = write(tmp_path, *[good] * 7000, bad, *[good] * 2999)
        with pytest.raises(DatasetRefused) as caught:
            check_dataset(path, recipe="sft")
        assert str(caught.value) == (
            "d.jsonl: line 7001 (row 7001): messages[1].content: must be text, not a number. "
            "1 of 10,000 rows has an issue."
        )
        assert caught.value.issues == (Issue("messages[1].content", "must be text, not a number", 7001),)

    def test_names_the_first_twenty_and_counts_all(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetRefused, match="30 of 31 rows have issues") as caught:
            check_dataset(write(tmp_path, {"text": "t"}, *[{"text": 1}] * 30), recipe="sft")
        assert caught.value.total == 30
        assert [issue.line for issue in caught.value.issues] == list(range(2, 22))

    def test_says_where_in_an_array_of_one_line(self, tmp_path: Path) -> None:
        path = write(tmp_path, json.dumps([{"text": "t"}, {"text": 1}]), name="d.json")
        with pytest.raises(DatasetRefused, match=r"line 1 \(row 2\): text: must be text"):
            check_dataset(path, recipe="cpt")

    @pytest.mark.parametrize(
        "row",
        [
            chat({"role": SECRET, "content": "x"}),
            chat({"role": "user", "content": {SECRET: SECRET}}),
            chat(USER, {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": SECRET}}]}),
            {"messages": f"[{SECRET}"},
            {SECRET: SECRET},
            {"instruction": SECRET},
            {"prompt": SECRET, "completion": [SECRET]},
            f'{{"text": "{SECRET}", {SECRET}\n',
            f'"{SECRET}"\n',
        ],
    )
    def test_never_repeats_what_a_row_holds(
        self, tmp_path: Path, row: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(DatasetRefused) as caught:
            check_dataset(write(tmp_path, row), recipe="sft")
        said = [str(caught.value), repr(caught.value.issues), caplog.text, *capfd.readouterr()]
        assert not any(part in text for text in said for part in ("Jane", "Elm"))

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetNotFound, match=r"no dataset at .*none\.jsonl") as caught:
            check_dataset(tmp_path / "none.jsonl", recipe="sft")
        assert (caught.value.kind, caught.value.code) == (ErrorKind.INVALID, "dataset_not_found")

    def test_a_folder_without_info(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetRefused, match=r"has no dataset_info\.json"):
            check_dataset(tmp_path, recipe="sft")

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.jsonl")
        with pytest.raises(DatasetRefused, match="neither a file nor a folder"):
            check_dataset(tmp_path / "pipe.jsonl", recipe="sft")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_an_unreadable_file(self, tmp_path: Path) -> None:
        path = write(tmp_path, {"text": "t"})
        path.chmod(0)
        with pytest.raises(DatasetRefused, match="cannot be read: Permission denied"):
            check_dataset(path, recipe="sft")

    def test_an_entry_of_dataset_info(self, tmp_path: Path) -> None:
        write(tmp_path, {"q": "u", "r": "a"}, {"q": "u", "r": 1})
        entry = {"file_name": "d.jsonl", "columns": {"prompt": "q", "response": "r"}}
        (tmp_path / "dataset_info.json").write_text(json.dumps({"demo": entry}))
        with pytest.raises(DatasetRefused, match=r"d\.jsonl: line 2 \(row 2\): r: must be text"):
            check_dataset(tmp_path, recipe="sft", entry_name="demo")


class TestCache:
    @pytest.fixture
    def passes(self, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
        passes: list[Source] = []

        def counted(source: Source, recipe: str, validation: Source | None) -> DatasetReport:
            passes.append(source)
            return examine(source, recipe, validation)

        monkeypatch.setattr(check, "examine", counted)
        return passes

    def test_an_unchanged_file_is_read_once(self, tmp_path: Path, passes: list[Source]) -> None:
        path = write(tmp_path, {"text": "t"})
        assert check_dataset(path, recipe="sft") == check_dataset(path, recipe="sft")
        assert len(passes) == 1
        check_dataset(path, recipe="cpt")
        assert len(passes) == 2

    def test_a_refusal_is_remembered_too(self, tmp_path: Path, passes: list[Source]) -> None:
        path = write(tmp_path, {"text": 1})
        for _ in range(2):
            with pytest.raises(DatasetRefused):
                check_dataset(path, recipe="sft")
        assert len(passes) == 1

    def test_a_changed_file_is_read_again(self, tmp_path: Path, passes: list[Source]) -> None:
        path = write(tmp_path, {"text": "t"})
        check_dataset(path, recipe="sft")
        before = path.stat()
        write(tmp_path, {"text": 1.0})
        os.truncate(path, before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(DatasetRefused):
            check_dataset(path, recipe="sft")
        assert len(passes) == 2

    def test_a_changed_entry_is_read_again(self, tmp_path: Path, passes: list[Source]) -> None:
        write(tmp_path, {"a": "x", "b": 1})
        for column, refused in (("a", False), ("b", True)):
            entry = {"file_name": "d.jsonl", "columns": {"prompt": column}}
            (tmp_path / "dataset_info.json").write_text(json.dumps({"demo": entry, "other": {}}))
            os.utime(tmp_path / "dataset_info.json", ns=(1, len(column) + refused))
            if refused:
                with pytest.raises(DatasetRefused):
                    check_dataset(tmp_path, recipe="cpt", entry_name="demo")
            else:
                check_dataset(tmp_path, recipe="cpt", entry_name="demo")
        assert len(passes) == 2


def report(rows: int = 0) -> DatasetReport:
    return DatasetReport(file=Path("d"), recipe="sft", bytes=0, rows=rows, shapes={}, role_orders={}, untrainable=0)


class TestReportCache:
    def test_is_bounded(self) -> None:
        cache, made = ReportCache(limit=2), []
        for key in (1, 2, 1, 3, 1, 2):
            cache.get_or_make(key, lambda key=key: made.append(key) or report(key))  # type: ignore[misc]
        assert made == [1, 2, 3, 2]

    def test_what_failed_is_not_kept(self) -> None:
        def fail() -> DatasetReport:
            raise OSError("gone")

        cache = ReportCache(limit=2)
        with pytest.raises(OSError, match="gone"):
            cache.get_or_make(1, fail)
        assert cache.get_or_make(1, lambda: report(7)).rows == 7

    def test_many_at_once_make_one(self) -> None:
        cache, made, gate, found = ReportCache(limit=2), [], threading.Event(), []

        def make() -> DatasetReport:
            made.append(1)
            gate.wait(10)
            return report(7)

        threads = [threading.Thread(target=lambda: found.append(cache.get_or_make(1, make).rows)) for _ in range(20)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join(10)
        assert (made, found) == ([1], [7] * 20)
