"""What administrators, researchers and viewers see and may do on the page."""

import re

import pytest
from playwright.sync_api import expect

from tests.web.browser.inspection import violations
from tests.web.browser.test_accounts import LogIn, guarded, log_in

__all__ = ["guarded", "log_in"]

TABS = {
    "ada": ["Account", "Users", "Secrets", "Webhooks", "Audit log", "Settings", "Health"],
    "rosa": ["Account", "Secrets", "Webhooks", "Health"],
    "vera": ["Account", "Health"],
}

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("name", TABS)
def test_everybody_sees_what_they_may(log_in: LogIn, name: str) -> None:
    page = log_in(name, "admin?tab=users")
    expect(page.get_by_role("tab")).to_have_text(TABS[name])


def test_a_key_is_shown_once(log_in: LogIn) -> None:
    page = log_in("vera", "admin")
    page.get_by_label("Name").fill("dashboard")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_label("API key dashboard")).to_have_value(re.compile("^st_.{20}"))
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_label("API key dashboard")).to_have_count(0)
    expect(page.get_by_role("cell", name="dashboard")).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("revoked")).to_be_visible()


def test_a_dialog_has_names_for_all_it_holds(log_in: LogIn) -> None:
    page = log_in("ada", "admin?tab=users")
    page.get_by_role("button", name="New user").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("User name")).to_be_visible()
    expect(form.get_by_role("button", name="Close")).to_be_visible()
    expect(form).to_have_css("opacity", "1")
    assert violations(page) == []


def test_a_link_with_an_impossible_day_shows_the_audit_log(log_in: LogIn) -> None:
    page = log_in("ada", "admin?tab=audit&since=2026-13-45&until=yesterday&action=login")
    expect(page.get_by_role("row").nth(1)).to_contain_text("login")
    action = page.get_by_label("Action")
    action.press("End")
    action.press_sequentially("_nothing")
    expect(page.get_by_text("Nothing of the kind was done.")).to_be_visible()
    expect(action).to_have_value("login_nothing")


def test_a_user_is_made_changed_and_deleted(log_in: LogIn) -> None:
    page = log_in("ada", "admin?tab=users")
    page.get_by_role("button", name="New user").click()
    form = page.get_by_role("dialog")
    form.get_by_label("User name").fill("temp")
    form.get_by_label("E-mail").fill("temp@example.com")
    form.get_by_role("button", name="Make the user").click()
    page.get_by_role("button", name="temp", exact=True).click()
    page.get_by_role("switch", name="The account is active").click()
    page.get_by_role("dialog", name="Switch off the account of temp?").get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("row", name="temp").get_by_text("switched off")).to_be_attached()
    page.get_by_role("button", name="Delete the user").click()
    page.get_by_role("dialog", name="Delete the user temp?").get_by_role("button", name="Delete the user").click()
    expect(page.get_by_role("button", name="temp", exact=True)).to_have_count(0)
    page.get_by_role("tab", name="Audit log").click()
    expect(page.get_by_role("row", name="delete_user").first).to_contain_text("temp")
