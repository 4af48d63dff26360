"""What the page's first load may cost: figures that do not depend on the host."""

from tests.web.browser.conftest import OpenPage

SIZES = """() => performance.getEntriesByType("resource")
  .filter((one) => one.name.includes("/ui/")).map((one) => one.encodedBodySize)"""


def test_the_first_load_is_small(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("heading", level=1).wait_for()
    sizes = page.evaluate(SIZES)
    assert 100_000 < sum(sizes) <= 400_000
    assert len(sizes) <= 60
    assert page.evaluate("() => document.querySelectorAll('*').length") <= 1_500
