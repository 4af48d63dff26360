"""Runs and sweeps that are filled in and started by clicks."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import MODEL, ROWS, House

pytestmark = pytest.mark.thorough


def begun(open_page: OpenPage, house: House, **config: str) -> Page:
    return open_page(f"new?recipe=sft&model={MODEL}&data={house.dataset}", **config)


def several(page: Page, setting: str, *texts: str) -> None:
    page.get_by_role("button", name=f"Several values of {setting}").click()
    field = page.get_by_label(setting, exact=True).first
    field.click()
    for text in texts:
        page.keyboard.type(text)
        page.keyboard.press("Enter")


class TestRun:
    def test_from_a_dropped_file_to_its_page(self, open_page: OpenPage, house: House, tmp_path: Path) -> None:
        file = tmp_path / "letters.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        page = open_page("new")
        page.get_by_role("combobox", name="model_name").fill(MODEL)
        page.locator("input[type=file]").first.set_input_files(file)
        expect(page.get_by_text("Rows that are learned from: 40 of 40.")).to_be_visible()
        page.get_by_role("textbox", name="learning_rate").fill("1e-3")
        page.get_by_role("textbox", name="num_epochs").fill("0.2")
        page.get_by_role("button", name="auto: let the server choose").nth(1).click()
        expect(page.get_by_text("It can start.")).to_be_visible()
        expect(page.get_by_text("for 40 rows of data")).to_be_visible()
        page.get_by_role("textbox", name="Name", exact=True).fill("letters of mine")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_role("heading", level=1, name="letters of mine")).to_be_visible()
        run = house.get(page.url.rpartition("/")[2])
        asked = {name: run["requested"][name] for name in ("learning_rate", "num_epochs", "batch_size")}
        assert asked == {"learning_rate": 1e-3, "num_epochs": 0.2, "batch_size": "auto"}

    def test_errors_stand_at_their_fields(self, open_page: OpenPage, house: House) -> None:
        page = begun(open_page, house)
        page.get_by_role("textbox", name="learning_rate").fill("-1")
        expect(page.get_by_text("As it stands, the server would refuse it.")).to_be_visible()
        expect(page.get_by_role("textbox", name="learning_rate")).to_have_attribute("aria-invalid", "true")
        page.get_by_role("textbox", name="learning_rate").fill("auto")
        expect(page.get_by_text("It can start.")).to_be_visible()

    def test_a_draft_survives_a_reload(self, open_page: OpenPage, house: House) -> None:
        page = open_page("new")
        page.get_by_role("textbox", name="learning_rate").fill("2e-4")
        page.reload()
        expect(page.get_by_role("textbox", name="learning_rate")).to_have_value("2e-4")
        page.get_by_role("button", name="Begin anew").click()
        expect(page.get_by_role("textbox", name="learning_rate")).to_have_value("")

    def test_yaml_and_form_are_one(self, open_page: OpenPage, house: House) -> None:
        page = begun(open_page, house)
        page.get_by_role("textbox", name="batch_size").fill("8")
        page.get_by_role("tab", name="YAML").click()
        editor = page.get_by_role("textbox", name="Settings as YAML")
        expect(editor).to_contain_text("batch_size: 8")
        editor.click()
        page.keyboard.press("Control+End")
        page.keyboard.type("\nlearning_rate: [1e-4, 2e-4]\n")
        expect(page.get_by_text("2e-4", exact=True)).to_be_visible()
        page.get_by_role("tab", name="curl").click()
        expect(page.get_by_role("tabpanel", name="curl")).to_contain_text("/api/v1/sweeps")
        page.get_by_role("tab", name="Python").click()
        expect(page.get_by_role("tabpanel", name="Python")).to_contain_text("client.sweeps.create")

    def test_a_run_is_cloned(self, open_page: OpenPage, house: House) -> None:
        run = house.trained
        page = open_page(f"new?from={run['id']}")
        expect(page.get_by_text("The settings are those of parcels")).to_be_visible()
        expect(page.get_by_role("textbox", name="learning_rate")).to_have_value("1e-3")
        expect(page.get_by_role("combobox", name="dataset_path").first).to_have_value(run["requested"]["dataset_path"])


class TestSweep:
    def test_of_three(self, open_page: OpenPage, house: House) -> None:
        page = begun(open_page, house)
        page.get_by_role("textbox", name="eval_split").fill("0.2")
        page.get_by_role("textbox", name="num_epochs").fill("0.1")
        several(page, "learning_rate", "1e-3", "2e-3", "-1")
        expect(page.get_by_text(re.compile("-1: .*greater than 0"))).to_be_visible()
        page.keyboard.press("Backspace")
        page.keyboard.type("3e-3")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Start 3 runs").click()
        expect(page.get_by_role("row")).to_have_count(4)
        expect(page.get_by_role("cell", name="3e-3", exact=True)).to_be_visible()
        sweep = page.url.rpartition("/")[2].partition("?")[0]
        for each in house.client.get(f"/api/v1/sweeps/{sweep}").json()["runs"]:
            house.finished(each["run"])
        expect(page.get_by_text("Best so far")).to_be_visible()
        expect(page.get_by_text("best", exact=True)).to_have_count(1)
        best = next(each for each in house.client.get(f"/api/v1/sweeps/{sweep}").json()["runs"] if each["is_best"])
        expect(page.get_by_role("row").nth(1)).to_contain_text(best["run"]["name"])

    def test_cancelled_together(self, open_page: OpenPage, house: House) -> None:
        body = {"recipe": "command", "config": {"argv": [["sleep", "60"], ["sleep", "61"]]}, "name": "sleepers"}
        sweep = house.client.post("/api/v1/sweeps", json=body).json()
        page = open_page(f"sweeps/{sweep['id']}")
        page.get_by_role("button", name="Cancel all").click()
        page.get_by_label("Type its name to confirm").fill("sleepers")
        page.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
        expect(page.get_by_role("button", name="Cancel all")).to_have_count(0)
        for each in sweep["runs"]:
            assert house.finished(each["run"])["status"] == "cancelled"
