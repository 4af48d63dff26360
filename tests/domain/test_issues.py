from typing import Any

from finery.domain.errors import Issue
from finery.domain.issues import MAX_CHARACTERS, MAX_ISSUES, MAX_MESSAGE, MAX_SUGGESTIONS, Issues, gather_issues


def unknown(count: int, *, name: str = "key") -> list[dict[str, Any]]:
    return [{"type": "extra_forbidden", "loc": (f"{name}{number}",), "msg": "no"} for number in range(count)]


def told(details: list[dict[str, Any]], message: str = "wrong") -> Issues:
    return gather_issues(details, lambda detail: [*detail["loc"]], lambda *_: message)


class TestGatherIssues:
    def test_tells_each_place_once(self) -> None:
        details = [
            {"type": "int", "loc": ("a", 1), "msg": "Value error, no number"},
            {"type": "str", "loc": ("a", 1), "msg": "no text"},
            {"type": "str", "loc": ("a", 1), "msg": "no text"},
            {"type": "str", "loc": ("b",), "msg": "no text"},
        ]
        found = gather_issues(details, lambda detail: [*detail["loc"]], lambda detail, *_: detail["msg"])
        assert found == Issues((Issue("a.1", "no number; or: no text", code="int"), Issue("b", "no text", code="str")))
        assert found.summary == "a.1: no number; or: no text (and 1 more)"

    def test_programs_are_told_by_code(self) -> None:
        kinds = {
            "extra_forbidden": "unknown_key",
            "missing": "missing",
            "value_error": "invalid",
            "less_than": "less_than",
        }
        details = [{"type": kind, "loc": (kind,), "msg": "a sentence"} for kind in kinds]
        found = gather_issues(details, lambda detail: [*detail["loc"]], lambda *_: "another sentence")
        assert {issue.field: issue.code for issue in found.listed} == kinds

    def test_counts_what_it_does_not_tell(self) -> None:
        found = told(unknown(7000))
        assert len(found.listed) == MAX_ISSUES
        assert found.omitted == 7000 - MAX_ISSUES
        assert found.summary == "key0: wrong (and 6999 more)"

    def test_describes_no_more_than_it_tells(self) -> None:
        suggests: list[bool] = []
        gather_issues(unknown(500), lambda detail: [*detail["loc"]], lambda *asked: str(suggests.append(asked[2])))
        assert suggests == [True] * MAX_SUGGESTIONS + [False] * (MAX_ISSUES - MAX_SUGGESTIONS)

    def test_bounds_its_text(self) -> None:
        found = told(unknown(100, name="n" * 10_000), "m" * 100_000)
        assert sum(len(issue.message) for issue in found.listed) <= MAX_CHARACTERS + MAX_MESSAGE
        assert max(len(issue.field) for issue in found.listed) == 100
        assert len(found.summary) < 3000

    def test_a_union_of_many_members_is_bounded_too(self) -> None:
        details = [{"type": "x", "loc": ("a",), "msg": f"{number}" * 500} for number in range(100)]
        found = gather_issues(details, lambda detail: [*detail["loc"]], lambda detail, *_: detail["msg"])
        assert len(found.listed[0].message) <= MAX_CHARACTERS + MAX_MESSAGE


class TestOf:
    def test_takes_a_list(self) -> None:
        issues = [Issue(f"f{number}", "no") for number in range(30)]
        assert Issues.of(issues) == Issues(tuple(issues[:MAX_ISSUES]), 10)
        assert Issues.of(issues[:1]).summary == "f0: no"
