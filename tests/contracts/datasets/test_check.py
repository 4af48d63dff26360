import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets import Source, signatures
from finery.contracts.datasets.check import examine
from finery.contracts.datasets.report import DatasetReport, Place, Repetition, RowWarning, WarningKind
from finery.kit import tables, text_chunks

USER = {"role": "user", "content": "u"}
ANSWER = {"role": "assistant", "content": "a"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
TOOL = {"role": "tool", "tool_call_id": "c1", "content": "t"}


def chat(*messages: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"messages": list(messages), **others}


def asked(question: str, answer: str = "a") -> dict[str, Any]:
    return chat({"role": "user", "content": question}, {"role": "assistant", "content": answer})


def write(folder: Path, *rows: Any, name: str = "d.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def check(path: Path, recipe: str = "sft", validation: Path | None = None) -> DatasetReport:
    return examine(Source(path), recipe, None if validation is None else Source(validation))


def warned(report: DatasetReport) -> dict[WarningKind, tuple[int, list[int]]]:
    return {warning.kind: (warning.count, [place.line for place in warning.places]) for warning in report.warnings}


class TestExamine:
    def test_counts(self, tmp_path: Path) -> None:
        rows = [
            chat(USER, ANSWER | {"weight": 0}, USER, ANSWER | {"weight": 1}),
            chat(USER, CALLING, TOOL, ANSWER | {"content": "x" * 400}),
            chat(USER, {"role": "assistant", "content": ["b"]}),
        ]
        path = write(tmp_path, *rows)
        report = check(path)
        assert (report.ok, report.refusal, report.warnings) == (True, "", ())
        assert (report.rows, report.messages, report.masked_messages, report.tool_calls) == (3, 10, 1, 1)
        lines = path.read_bytes().splitlines()
        assert report.longest is not None
        assert (report.longest.line, report.longest.row, report.longest.bytes) == (2, 2, len(lines[1]))
        assert report.estimated_tokens == (sum(map(len, lines)) - 10 * 34) // 4

    def test_is_json(self, tmp_path: Path) -> None:
        report = check(write(tmp_path, asked("q"), asked("q"), {"text": 1}))
        again = json.loads(report.model_dump_json())
        assert again["ok"] is False
        assert again["duplicates"]["pairs"] == [{"first": {"line": 1, "row": 1}, "again": {"line": 2, "row": 2}}]

    @pytest.mark.parametrize("form", ["bom", "crlf", "utf-16", "utf-16 without a mark", "utf-32", "gzip"])
    def test_reads_what_windows_writes(self, tmp_path: Path, form: str) -> None:
        rows = "".join(json.dumps(asked(f"質問 {number}"), ensure_ascii=False) + "\n" for number in range(9))
        content = {
            "bom": rows.encode("utf-8-sig"),
            "crlf": rows.replace("\n", "\r\n").encode(),
            "utf-16": rows.encode("utf-16"),
            "utf-16 without a mark": rows.encode("utf-16-le"),
            "utf-32": rows.encode("utf-32"),
            "gzip": gzip.compress(rows.encode()),
        }[form]
        path = tmp_path / "d.jsonl"
        path.write_bytes(content)
        report = check(path)
        assert (report.rows, report.invalid, report.shapes) == (9, 0, {"messages": 9})
        assert report.bytes == len(content)

    def test_a_row_is_named_where_it_stands_among_blank_lines(self, tmp_path: Path) -> None:
        report = check(write(tmp_path, asked("p"), "\n", " \t\n", asked("q"), {"text": 1}, "\r\n", asked("q")))
        assert [(issue.line, issue.row) for issue in report.issues] == [(5, 3)]
        assert report.duplicates.pairs == (Repetition(first=Place(line=4, row=2), again=Place(line=7, row=4)),)

    def test_the_longest_row_is_the_first_of_them_in_whichever_chunk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(text_chunks, "CHUNK_BYTES", 1000)
        lengths = [5, 9, 3, *range(1, 40), 90, 8, 90, *range(1, 40)]
        path = write(tmp_path, *(asked("q", "x" * length) for length in lengths))
        report = check(path)
        lines = path.read_bytes().splitlines()
        assert report.longest is not None
        assert (report.longest.line, report.longest.bytes) == (lengths.index(90) + 1, max(map(len, lines)))
        assert report.estimated_tokens == (sum(map(len, lines)) - 34 * report.messages) // 4

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        path.write_bytes(b"PK\x03\x04 and more")
        report = check(path)
        assert not report.ok
        assert report.refusal.startswith("this is a zip archive")

    def test_a_line_of_200_megabytes(self, tmp_path: Path) -> None:
        path = write(tmp_path, asked("p"))
        with path.open("ab") as file:
            for _ in range(200):
                file.write(b"x" * 10**6)
            file.write(b"\n" + json.dumps(asked("q")).encode())
        tracemalloc.start()
        try:
            report = check(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (report.rows, report.invalid) == (3, 1)
        assert report.refusal == f"line 2 (row 2): {tables.TOO_LONG}. 1 of 3 rows has an issue."
        assert peak < 2 * tables.MAX_ROW_BYTES

    def test_memory_is_flat(self, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        with path.open("w") as file:
            for number in range(30_000):
                file.write(json.dumps(asked(f"{number}", "x" * 500)) + "\n")
        tracemalloc.start()
        try:
            report = check(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert report.rows == 30_000
        assert peak < 20 * text_chunks.CHUNK_BYTES + 200 * report.rows < path.stat().st_size


class TestWarnings:
    def test_the_last_message_is_not_the_assistants(self, tmp_path: Path) -> None:
        rows = [asked("p"), chat(USER, ANSWER, USER), chat(USER, ANSWER, {"role": "user", "content": ["parts"]})]
        report = check(write(tmp_path, *rows))
        assert warned(report) == {WarningKind.NO_ANSWER_LAST: (2, [2, 3])}
        assert report.ok

    def test_nothing_to_learn_beside_rows_that_have(self, tmp_path: Path) -> None:
        rows = [asked("p"), asked("q", " "), chat(USER, ANSWER | {"weight": 0})]
        assert warned(check(write(tmp_path, *rows))) == {WarningKind.NOTHING_TO_LEARN: (2, [2, 3])}

    def test_nothing_to_learn_at_all_is_refused_instead(self, tmp_path: Path) -> None:
        report = check(write(tmp_path, asked("p", ""), asked("q", " ")))
        assert report.warnings == ()
        assert report.refusal.startswith("no row has a trainable token")

    def test_calls_that_no_tool_answers(self, tmp_path: Path) -> None:
        two = CALLING | {"tool_calls": [CALL, CALL | {"id": "c2"}]}
        rows = [
            chat(USER, CALLING),
            chat(USER, CALLING, TOOL, ANSWER),
            chat(USER, CALLING, USER, ANSWER),
            chat(USER, two, TOOL, ANSWER),
            chat(USER, two, TOOL, TOOL | {"tool_call_id": "c2"}, ANSWER),
        ]
        assert warned(check(write(tmp_path, *rows)))[WarningKind.UNANSWERED_CALL] == (2, [3, 4])

    def test_arguments_that_are_json_text_within_json_text(self, tmp_path: Path) -> None:
        def row(arguments: object) -> dict[str, object]:
            call = {"id": "1", "type": "function", "function": {"name": "fly", "arguments": arguments}}
            answer = {"role": "assistant", "tool_calls": [call]}
            return {"messages": [{"role": "user", "content": "Up"}, answer]}

        once = json.dumps({"height": 100})
        rows = [row(text) for text in (once, json.dumps(once), {"height": 100}, json.dumps(once))]
        found = check(write(tmp_path, *rows))
        assert warned(found)[WarningKind.ARGUMENTS_WRITTEN_TWICE] == (2, [2, 4])
        assert (found.invalid, found.duplicates.count) == (0, 3)
        refused = check(write(tmp_path, row(json.dumps(json.dumps([1])))))
        assert refused.issues[0].field == "messages[1].tool_calls[0].function.arguments"

    def test_the_first_twenty_are_named_and_all_counted(self, tmp_path: Path) -> None:
        rows = [asked("p"), *(chat(USER, {"role": "user", "content": str(number)}) for number in range(50))]
        count, lines = warned(check(write(tmp_path, *rows)))[WarningKind.NO_ANSWER_LAST]
        assert (count, lines) == (50, list(range(2, 22)))


class TestDuplicates:
    @pytest.mark.parametrize(
        "again",
        [
            asked("q"),
            asked("q") | {"id": 7},
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            {"instruction": "q", "input": "", "output": "a"},
            {"prompt": "q", "completion": "a"},
            {"messages": [{"role": "user", "content": ["q"]}, ANSWER | {"weight": 1}]},
        ],
    )
    def test_the_same_messages_in_whatever_shape(self, tmp_path: Path, again: dict[str, Any]) -> None:
        report = check(write(tmp_path, asked("p"), asked("q"), again, asked("r")))
        assert report.duplicates.count == 1
        assert report.duplicates.pairs == (Repetition(first=Place(line=2, row=2), again=Place(line=3, row=3)),)
        assert report.warnings == (
            RowWarning(
                kind=WarningKind.DUPLICATE,
                message="has the messages of an earlier row",
                count=1,
                places=(Place(line=3, row=3),),
            ),
        )

    @pytest.mark.parametrize(
        "other", [asked("q", "b"), asked("qa", ""), chat(USER, CALLING), chat(*asked("q")["messages"] * 2)]
    )
    def test_other_messages(self, tmp_path: Path, other: dict[str, Any]) -> None:
        assert check(write(tmp_path, asked("q"), other)).duplicates.count == 0

    def test_the_first_twenty_pairs(self, tmp_path: Path) -> None:
        report = check(write(tmp_path, *[asked("q")] * 100, *[asked(str(number)) for number in range(100)]))
        assert (report.duplicates.count, report.duplicates.compared) == (99, 200)
        assert [pair.again.line for pair in report.duplicates.pairs] == list(range(2, 22))

    def test_in_parts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signatures, "PART_ROWS", 10)
        rows = [asked(str(number % 60)) for number in range(100)]
        report = check(write(tmp_path, *rows), validation=write(tmp_path, *rows[:30], name="v.jsonl"))
        assert report.duplicates.count == 40
        assert report.overlap is not None
        assert report.overlap.count == 60

    def test_beyond_the_limit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(text_chunks, "CHUNK_BYTES", 100)
        monkeypatch.setattr(signatures.Signatures.__init__, "__defaults__", (10,))
        report = check(write(tmp_path, *[asked(str(number % 30)) for number in range(60)]))
        assert 10 <= report.duplicates.compared < 20
        assert report.duplicates.count == 0


class TestOverlap:
    def test_names_the_rows_in_both_files(self, tmp_path: Path) -> None:
        validation = write(tmp_path, asked("x"), {"instruction": "q", "output": "a"}, {"text": 1}, name="v.jsonl")
        report = check(write(tmp_path, asked("p"), asked("q"), asked("q")), validation=validation)
        assert report.overlap is not None
        assert (report.overlap.rows, report.overlap.invalid, report.overlap.count) == (3, 1, 2)
        assert [(pair.row.line, pair.validation.line) for pair in report.overlap.pairs] == [(2, 2), (3, 2)]
        assert warned(report)[WarningKind.OVERLAP] == (2, [2, 3])
        assert report.ok

    def test_without_any(self, tmp_path: Path) -> None:
        report = check(write(tmp_path, asked("p")), validation=write(tmp_path, asked("q"), name="v.jsonl"))
        assert report.overlap is not None
        assert (report.overlap.count, report.warnings) == (0, ())

    def test_a_validation_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        validation = tmp_path / "v.jsonl"
        validation.write_bytes(b"%PDF")
        report = check(write(tmp_path, asked("p")), validation=validation)
        assert report.overlap is not None
        assert report.overlap.unreadable.startswith("this is a PDF")
