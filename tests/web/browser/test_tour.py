"""The tour by clicks, to a model that answers as it was taught, in each language."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.web.browser.conftest import OpenPage

TRAINED_MS = 300_000
"""The training takes a minute where nothing else runs."""
ASK = {
    "zh-CN": ("向模型提问", "它的回答与所学一致。"),
    "ja-JP": ("モデルに質問する", "学習したとおりに答えました。"),
    "ko-KR": ("모델에 질문하기", "배운 대로 답했습니다."),
}

pytestmark = pytest.mark.thorough


def test_ends_in_a_model_that_answers_as_it_was_taught(open_page: OpenPage) -> None:
    page = open_page("tour")
    page.get_by_role("button", name="Take this data").click()
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_role("img", name=re.compile("^loss: "))).to_be_visible(timeout=TRAINED_MS)
    page.reload()
    page.get_by_role("button", name="Ask the model").click(timeout=TRAINED_MS)
    expect(page.get_by_text("It answers as it was taught.")).to_be_visible(timeout=TRAINED_MS)
    (run_id,) = parse_qs(urlsplit(page.url).query)["run"]
    for language, (ask, right) in ASK.items():
        other = open_page(f"tour?run={run_id}", language=language)
        other.get_by_role("button", name=ask).click()
        expect(other.get_by_text(right)).to_be_visible(timeout=TRAINED_MS)
    page.get_by_role("link", name="Go on talking to it in the playground").click()
    expect(page.get_by_role("combobox", name="Model").first).to_have_value(run_id.strip('"'))
