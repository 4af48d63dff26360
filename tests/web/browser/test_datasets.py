"""Data that are uploaded, looked at and deleted by clicks."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.web.browser.conftest import OpenPage
from tests.web.browser.house import House

pytestmark = pytest.mark.thorough

MB = 2**20
REFUSAL = {"error": {"code": "refused", "message": "no room", "errors": []}}


def write_rows(path: Path, size: int) -> Path:
    row = json.dumps({"prompt": "Where is it?", "completion": "x" * 1000}) + "\n"
    path.write_text(row * (size // len(row)))
    return path


def parts_sent_by(page: Page) -> list[str]:
    """Returns a list that gets the address of each part that the page sends from now on."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if request.url.endswith("/parts") else None)
    return found


def interrupt_after_first_part(page: Page, file: Path) -> None:
    sent = 0

    def first_only(route: Route) -> None:
        nonlocal sent
        sent += 1
        route.continue_() if sent == 1 else route.abort()

    page.route("**/api/v1/uploads/*/parts", first_only)
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.get_by_text("Stop sending")).to_be_visible()
    expect(page.get_by_text("40 %")).to_be_visible()
    page.reload()
    expect(page.get_by_text("It was interrupted")).to_be_visible()
    page.unroute("**/api/v1/uploads/*/parts")


class TestUpload:
    def test_goes_on_after_a_reload(self, open_page: OpenPage, house: House, tmp_path: Path) -> None:
        file = write_rows(tmp_path / "large.jsonl", 20 * MB)
        page = open_page("datasets", allows=("ERR_FAILED",))
        interrupt_after_first_part(page, file)
        parts = parts_sent_by(page)
        page.locator("input[type=file]").first.set_input_files(file)
        page.get_by_role("link", name="large").click()
        assert len(parts) == 2
        [made] = house.client.get("/api/v1/datasets", params={"name": "large"}).json()["datasets"]
        assert made["newest"]["size_bytes"] == file.stat().st_size
        assert house.client.get(f"/api/v1/datasets/{made['id']}/content").content == file.read_bytes()

    def test_goes_on_whatever_its_name_without_the_browser_hashing(
        self, open_page: OpenPage, house: House, tmp_path: Path
    ) -> None:
        file = write_rows(tmp_path / "学習\u3000資料\u00a0\u200d.jsonl", 20 * MB)
        page = open_page("datasets", allows=("ERR_FAILED",))
        # As over plain http from another machine.
        page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
        interrupt_after_first_part(page, file)
        assert page.evaluate("crypto.subtle === undefined")
        parts = parts_sent_by(page)
        lost = 0

        def answer_lost_once(route: Route) -> None:
            nonlocal lost
            lost += 1
            if lost == 1:
                route.fetch()
            route.abort() if lost == 1 else route.continue_()

        page.route("**/api/v1/uploads/*/complete", answer_lost_once)
        page.locator("input[type=file]").first.set_input_files(file)
        page.get_by_role("link", name="学習資料").click()
        assert len(parts) == 2
        [made] = house.client.get("/api/v1/datasets", params={"name": "学習資料"}).json()["datasets"]
        assert made["newest"]["version"] == 1
        assert house.client.get(f"/api/v1/datasets/{made['id']}/content").content == file.read_bytes()

    def test_of_another_file_of_its_name_begins_anew(self, open_page: OpenPage, house: House, tmp_path: Path) -> None:
        file = write_rows(tmp_path / "other.jsonl", 20 * MB)
        page = open_page("datasets", allows=("ERR_FAILED",))
        page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
        interrupt_after_first_part(page, file)
        file.write_text(file.read_text().replace("Where", "there", 1))
        parts = parts_sent_by(page)
        page.locator("input[type=file]").first.set_input_files(file)
        page.get_by_role("link", name="other").click()
        assert len(parts) == 3
        [made] = house.client.get("/api/v1/datasets", params={"name": "other"}).json()["datasets"]
        assert house.client.get(f"/api/v1/datasets/{made['id']}/content").content == file.read_bytes()

    def test_of_a_file_that_changes_ends_with_the_reason(
        self, open_page: OpenPage, house: House, tmp_path: Path
    ) -> None:
        file = write_rows(tmp_path / "growing.jsonl", 20 * MB)
        page = open_page("datasets")
        page.route("**/api/v1/uploads/*/parts", lambda route: grow(file, route))
        page.locator("input[type=file]").first.set_input_files(file)
        expect(page.get_by_text("“growing.jsonl” can no longer be read")).to_be_visible()


def grow(file: Path, route: Route) -> None:
    file.write_bytes(file.read_bytes() + b"{}")
    route.continue_()


class TestOne:
    def test_a_bad_line_is_found_and_led_to(self, open_page: OpenPage, house: House) -> None:
        rows = [json.dumps({"prompt": f"question {n}", "completion": "a"}) for n in range(300)]
        rows[249] = '{"prompt": '
        files = {"file": ("faulty.jsonl", "\n".join(rows).encode())}
        made = house.client.post("/api/v1/datasets", files=files).raise_for_status().json()
        page = open_page(f"datasets/{made['id']}?tab=check")
        expect(page.get_by_text("1 of 300 rows has an issue").first).to_be_visible()
        page.get_by_role("link", name="250", exact=True).click()
        expect(page.get_by_text("cannot be read")).to_be_visible()
        expect(page.get_by_text("question 250")).to_be_visible()
        assert "row=250" in page.url
        expect(page.get_by_text("question 1", exact=True)).to_have_count(0)

    def test_rows_that_cannot_be_counted_are_not_told_as_all(self, open_page: OpenPage, house: House) -> None:
        files = {"file": ("uncounted.jsonl", b'{"text": "a"}\n' * 120)}
        house.client.post("/api/v1/datasets", files=files).raise_for_status()
        page = open_page("datasets", allows=("422",))
        page.route("**/statistics*", lambda route: route.fulfill(status=422, json=REFUSAL))
        page.get_by_role("link", name="uncounted").click()
        expect(page.get_by_text("The rows could not be counted; the first 50 are here.")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("no room")
        page.unroute("**/statistics*")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("120 rows")).to_be_visible()

    def test_is_renamed_and_deleted_by_its_name(self, open_page: OpenPage, house: House) -> None:
        files = {"file": ("going.jsonl", b'{"text": "a"}\n')}
        house.client.post("/api/v1/datasets", files=files).raise_for_status()
        page = open_page("datasets?search=going")
        page.get_by_role("link", name="going").click()
        page.get_by_role("button", name="Rename").click()
        page.get_by_role("textbox", name="Name").fill("gone soon")
        page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        expect(page.get_by_role("heading", name="gone soon")).to_be_visible()
        page.get_by_role("button", name="Delete").click()
        confirm = page.get_by_role("dialog").get_by_role("button", name="Delete")
        expect(confirm).to_be_disabled()
        page.get_by_label("Type its name").fill("gone soon")
        confirm.click()
        expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
        assert house.client.get("/api/v1/datasets", params={"name": "gone soon"}).json()["datasets"] == []
