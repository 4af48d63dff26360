"""The list of runs: ten thousand of them, several at once, and two side by side."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from finery.contracts.resolved_run import ResolvedRun
from finery.db import Database
from finery.kit.clock import utc_now
from finery.migrations import upgrade
from finery.models import RunRow
from tests.servers import RunningServer
from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import House

MANY = 10_000
MOST_ROWS = 80
"""In the document at once, however many runs there are."""

pytestmark = pytest.mark.thorough


def row(number: int) -> dict[str, Any]:
    now = utc_now() - timedelta(minutes=MANY - number)
    same = {"source": "native", "recipe": "sft", "labels": {}, "config": {}, "requested": {}, "spec": ResolvedRun()}
    counts = {"gpus": 0, "cpu_slots": 1, "priority": 0, "attempt": 1, "last_sequence": 0, "controls": []}
    times = dict.fromkeys(("created_at", "updated_at", "started_at", "finished_at", "cleaned_at"), now)
    progress = {"fraction": 1.0, "loss": number / MANY}
    return {
        **same, **counts, **times,
        "id": f"run-{number}", "name": f"search {number}", "status": "failed" if number % 2 else "succeeded",
        "progress": progress, "final_loss": progress["loss"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with so many runs."""
    home: Path = tmp_path_factory.mktemp("many")
    database = Database("sqlite:///./training.db", home=home)
    upgrade(database)
    with database.write() as session:
        session.execute(insert(RunRow), [row(number) for number in range(MANY)])
    database.dispose()
    with RunningServer(home) as server:
        yield server.url


def names(page: Page) -> list[str]:
    return page.get_by_role("row").get_by_role("link").all_inner_texts()


class TestManyRuns:
    def test_goes_through_them_by_keyboard(self, open_page: OpenPage, many: str) -> None:
        page = open_page("runs", at=many)
        expect(page.get_by_text("10,000 runs")).to_be_visible()
        expect(page.get_by_role("link", name="search 9999", exact=True)).to_be_visible()
        page.get_by_role("grid").focus()
        page.keyboard.press("End")
        expect(page.get_by_role("link", name="search 0", exact=True)).to_be_visible()
        assert page.get_by_role("row").count() < MOST_ROWS
        page.keyboard.press("Home")
        expect(page.get_by_role("link", name="search 9999", exact=True)).to_be_visible()

    def test_the_head_takes_its_own_keys_and_chooses_only_what_is_seen(self, open_page: OpenPage, many: str) -> None:
        page = open_page("runs", at=many)
        expect(page.get_by_role("link", name="search 9999", exact=True)).to_be_visible()
        page.get_by_role("checkbox", name="Select the runs in sight").focus()
        page.keyboard.press("Space")
        expect(page.get_by_text(re.compile(r"^\d+ runs selected$"))).to_be_visible()
        chosen = page.get_by_role("row", selected=True)
        assert 1 < chosen.count() < page.get_by_role("row").count() - 1
        expect(chosen.first).to_contain_text("search 9999")

    def test_filter_order_and_columns_are_in_the_address(self, open_page: OpenPage, many: str) -> None:
        page = open_page("runs", at=many)
        page.get_by_label("Name").fill("SEARCH 99")
        expect(page.get_by_text("111 runs")).to_be_visible()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("row").nth(1)).to_contain_text("search 99")
        page.reload()
        expect(page.get_by_text("111 runs")).to_be_visible()
        assert names(page)[:3] == ["search 99", "search 990", "search 9900"]

    def test_view_is_kept_by_its_name(self, open_page: OpenPage, many: str) -> None:
        page = open_page("runs?status=failed&sort=loss&direction=asc", at=many)
        page.get_by_role("button", name="Saved views").click()
        page.get_by_label("Name of this view").fill("failures")
        page.get_by_role("button", name="Save", exact=True).click()
        page.goto(f"{many}/ui/runs")
        expect(page.get_by_text("10,000 runs")).to_be_visible()
        page.get_by_role("button", name="Saved views").click()
        page.get_by_role("button", name="failures", exact=True).click()
        expect(page.get_by_text("5,000 runs")).to_be_visible()
        expect(page.get_by_role("row").nth(1)).to_contain_text("search 1")

    def test_several_are_deleted_by_name(self, open_page: OpenPage, many: str) -> None:
        page = open_page("runs?id=run-123&sort=name&direction=asc", at=many)
        expect(page.get_by_text("11 runs")).to_be_visible()
        page.get_by_role("grid").focus()
        for key in ("Space", "ArrowDown", "Space"):
            page.keyboard.press(key)
        expect(page.get_by_text("2 runs selected")).to_be_visible()
        page.get_by_role("button", name="Delete…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("search 123")
        expect(dialog).to_contain_text("search 1230")
        dialog.get_by_role("button", name="Delete runs").click()
        expect(page.get_by_text("9 runs", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="search 1231", exact=True)).to_be_visible()


class TestCompare:
    def test_two_from_the_list(self, open_page: OpenPage, house: House) -> None:
        ids = [house.trained["uid"], house.slower["uid"]]
        page = open_page("runs?name=parcels")
        for name in ("parcels", "slower parcels"):
            page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
        page.get_by_role("link", name="Compare").click()
        expect(page.get_by_role("heading", name="Compare runs")).to_be_visible()
        assert all(uid in page.url for uid in ids)
        expect(page.get_by_role("img", name=re.compile("^loss: 1 parcels .*, 2 slower parcels"))).to_be_visible()
        settings = page.get_by_role("table").last
        expect(settings.get_by_role("rowheader", name="learning_rate")).to_be_visible()
        assert settings.get_by_role("rowheader", name="max_steps").count() == 0
        page.get_by_label("Also those that are the same in all").click()
        expect(settings.get_by_role("rowheader", name="max_steps")).to_be_visible()
