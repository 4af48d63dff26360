"""The catalogues of the page's folders, which are joined: a text that stands in two must be translated alike."""

import ast
import re
from collections import defaultdict

import pytest

from tests.servers import ROOT

ENTRY = re.compile(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|\Z))+)', re.M)
LANGUAGES = ("zh", "ja", "ko")


def entries(language: str) -> dict[str, dict[str, list[str]]]:
    """Returns each English text's translations, and the folders in which each stands."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((ROOT / "web" / "src").rglob(f"locales/{language}.po")):
        for text, translation in ENTRY.findall(path.read_text()):
            found[joined(text)][joined(translation)].append(path.parent.parent.name)
    return found


def joined(lines: str) -> str:
    return "".join(ast.literal_eval(line) for line in lines.splitlines())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_has_one_translation(language: str) -> None:
    found = {text: translations for text, translations in entries(language).items() if text}
    assert len(found) > 100
    assert {text: dict(translations) for text, translations in found.items() if len(translations) > 1} == {}
