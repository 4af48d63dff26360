"""A trained model that is found, followed to its data, deployed, stopped and deleted by clicks."""

import re

import pytest
from playwright.sync_api import expect

from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import House

START_MS = 120_000


class TestModel:
    @pytest.mark.thorough
    def test_is_followed_to_its_data_deployed_and_deleted(self, open_page: OpenPage, house: House) -> None:
        run = house.finished(house.start(name="short", max_steps=2, output_dir="outputs/short lived"))
        house.finished(house.start(name="after", max_steps=1, model_name=run["output_dir"]))
        page = open_page("models?search=short")
        page.get_by_role("link", name="outputs/short lived").click()
        expect(page.get_by_role("heading", name="outputs/short lived")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("parcels"))).to_be_visible()
        expect(page.get_by_role("link", name="after")).to_be_visible()
        expect(page.get_by_role("link", name="model.safetensors")).to_be_visible()
        page.get_by_role("button", name="Deploy").click()
        expect(page.get_by_text("running")).to_be_visible(timeout=START_MS)
        page.get_by_role("button", name="Log").click()
        expect(page.get_by_role("log")).to_be_visible()
        page.get_by_role("button", name="Stop it").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
        expect(page.get_by_text("stopped")).to_be_visible(timeout=START_MS)
        page.get_by_role("button", name="Delete").click()
        page.get_by_label("Type its name").fill("outputs/short lived")
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("heading", name="Models")).to_be_visible()
        assert house.get(run["id"])["output_dir"] is None
