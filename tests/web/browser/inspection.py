"""What is looked for on every page: texts that are cut or lie over each other, and what axe finds."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

HERE = Path(__file__).parent
AXE = HERE.parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
LOOK = f"() => {{ {(HERE / 'inspection.js').read_text()} return [...cutTexts(), ...overlappingTexts()]; }}"


def cut_texts(page: Page) -> list[str]:
    """Returns what is wider than its place or lies outside the window, and pairs of texts that lie over each other."""
    faults: list[str] = page.evaluate(LOOK)
    return faults


def violations(page: Page) -> list[str]:
    """Returns axe's findings: the rule and the first elements that break it."""
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]
