import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from finery.contracts.accounts import AuditFilter, AuditResult
from finery.contracts.permissions import ANONYMOUS, Principal
from finery.db import Database
from finery.domain import audit
from finery.domain.audit import service
from finery.domain.audit.service import MAX_DEPTH
from finery.domain.cursors import BadCursor
from finery.kit.clock import utc_now

ANN = Principal("00000000-0000-0000-0000-000000000001", "ann", frozenset())


def write(database: Database, count: int = 1, action: str = "run.delete", **values: Any) -> None:
    with database.write() as session:
        for number in range(count):
            audit.record(session, action, **{"actor": ANN, "address": "192.0.2.1", "target": f"run {number}", **values})


def targets(database: Database, **wanted: Any) -> list[str | None]:
    with database.read() as session:
        return [entry.target for entry in audit.list_page(session, AuditFilter(**wanted), limit=100).entries]


class TestRecord:
    def test_who_what_when_where_and_how_it_went(self, database: Database) -> None:
        before = utc_now()
        write(database, target="run r1", result=AuditResult.DENIED, details={"level": "viewer", "count": 2})
        with database.read() as session:
            entry = audit.list_page(session, AuditFilter(), limit=1).entries[0]
        assert (entry.user_id, entry.user_name, entry.action) == (ANN.user_id, "ann", "run.delete")
        assert (entry.target, entry.address, entry.result) == ("run r1", "192.0.2.1", AuditResult.DENIED)
        assert entry.details == {"level": "viewer", "count": 2}
        assert before <= entry.at <= utc_now()

    def test_secrets_and_odd_text_stay_out(self, database: Database) -> None:
        deep: dict[str, Any] = {"a": None}
        for _ in range(50):
            deep = {"a": deep}
        details = {
            "new_password": "hunter22",
            "body": {"API_KEY": "st_x", "note": "a\0b\ud800", "rate": float("nan")},
            "list": [("token", 1), {"Secret": 5}],
            "deep": deep,
        }
        write(database, actor=ANONYMOUS, target="\0" * 500, address="x" * 500, action="y" * 500, details=details)
        with database.read() as session:
            entry = audit.list_page(session, AuditFilter(), limit=1).entries[0]
        assert entry.user_id is None
        assert entry.details["new_password"] == "[redacted]"
        assert entry.details["body"] == {"API_KEY": "[redacted]", "note": "a\\x00b\\ud800", "rate": "nan"}
        assert entry.details["list"] == [["token", 1], {"Secret": "[redacted]"}]
        assert json.dumps(entry.details["deep"]).count("{") == MAX_DEPTH - 1

    def test_goes_with_the_transaction(self, database: Database) -> None:
        with database.write() as session:
            audit.record(session, "x", actor=ANN, address=None)
            session.flush()
            session.rollback()
        assert targets(database) == []


class TestListPage:
    def test_pages_newest_first(self, database: Database) -> None:
        write(database, 5)
        seen: list[str | None] = []
        cursor = None
        with database.read() as session:
            while True:
                page = audit.list_page(session, AuditFilter(), limit=2, cursor=cursor)
                seen += [entry.target for entry in page.entries]
                if (cursor := page.next_cursor) is None:
                    break
        assert seen == [f"run {number}" for number in (4, 3, 2, 1, 0)]

    @pytest.mark.parametrize(
        ("wanted", "count"),
        [
            ({"user_id": ANN.user_id}, 2),
            ({"user_id": "somebody"}, 0),
            ({"action": "login"}, 1),
            ({"action": "log\0in"}, 0),
            ({"target": "run 1"}, 1),
            ({"result": AuditResult.FAILED}, 1),
            ({"since": utc_now() - timedelta(days=1)}, 3),
            ({"until": utc_now() - timedelta(days=1)}, 0),
            ({"action": "login", "result": AuditResult.OK}, 0),
        ],
    )
    def test_filters(self, database: Database, wanted: dict[str, Any], count: int) -> None:
        write(database, 2)
        write(database, action="login", actor=ANONYMOUS, result=AuditResult.FAILED, target=None)
        assert len(targets(database, **wanted)) == count

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "٣", "9" * 19])
    def test_refuses_a_cursor_that_it_did_not_give(self, database: Database, cursor: str) -> None:
        with database.read() as session, pytest.raises(BadCursor):
            audit.list_page(session, AuditFilter(), limit=1, cursor=cursor)


class TestExport:
    def test_one_object_a_line_oldest_first(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "EXPORT_ROWS", 2)
        write(database, 5, details={"name": "two\nlines"})
        with database.read() as session:
            lines = list(audit.export(session, AuditFilter(action="run.delete")))
        assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
        assert [json.loads(line)["target"] for line in lines] == [f"run {number}" for number in range(5)]


class TestModule:
    def test_nothing_changes_or_removes(self) -> None:
        assert set(audit.__all__) == {
            *("record", "list_page", "export", "export_csv", "name_target", "target_of"),
            *("name_changes", "name_hidden_change", "named_details"),
        }


class TestExportCsv:
    def test_has_a_line_of_names_and_no_formulas(self, database: Database) -> None:
        write(database, target='=cmd|" /C calc"!A0', details={"changes": ["a, b"]})
        write(database, target="run 2\nx")
        with database.read() as session:
            text = "".join(audit.export_csv(session, AuditFilter()))
        names, first, second = csv.reader(io.StringIO(text))
        assert names[:5] == ["id", "at", "user_id", "user_name", "action"]
        row = dict(zip(names, first, strict=True))
        assert row["target"] == '\'=cmd|" /C calc"!A0'
        assert json.loads(row["details"]) == {"changes": ["a, b"]}
        assert dict(zip(names, second, strict=True))["result"] == "ok"
