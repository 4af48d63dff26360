"""Tells messages in the language that a request asks for (Accept-Language, RFC 9110), where its dialect does so.

The catalogues beside this file hold the translation of every template, by the template itself; those in `settings` that
of every text that describes a recipe, by the text. Each is read when it is first asked for.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from finery.kit.translatable import Translatable

ENGLISH = "en"
LANGUAGES = (ENGLISH, "ko", "zh", "ja")
MAX_RANGES = 50
"""A longer header is read so far."""


@dataclass(frozen=True)
class Language:
    """A language in which messages are told."""

    tag: str

    def tell(self, message: str) -> str:
        """Returns the message in this language, or as it is where nobody has translated it."""
        if self.tag == ENGLISH or not isinstance(message, Translatable):
            return message
        catalogue = catalogue_of(self.tag)
        return message.told(lambda template: catalogue.get(template, template))

    def describe(self, text: str) -> str:
        """Returns what a recipe's configuration says of itself in this language: these sentences are docstrings."""
        return text if self.tag == ENGLISH else settings_catalogue_of(self.tag).get(text, text)

    def mark(self, response: Response) -> None:
        """Say on the response which language it is in, and that it depends on the request."""
        response.headers["Content-Language"] = self.tag
        response.headers.add_vary_header("Accept-Language")


def language_of(request_headers: Iterable[str], default: str) -> Language:
    """Returns the language that the values of Accept-Language like best; `default` without any that is known.

    Of equals the first counts. A region (`ko-KR`) is served by its language; `q=0` excludes a language, unless it names
    a region only. There is always an answer: who accepts none of the languages gets the default.
    """
    ranges = list(_ranges(",".join(request_headers)))
    liked: dict[str, tuple[float, int]] = {}
    for tag in (default, *(language for language in LANGUAGES if language != default)):
        own = [
            (quality, -place)
            for name, quality, place in ranges
            if name == tag or (name.startswith(f"{tag}-") and quality > 0)
        ]
        others = [(quality, -place) for name, quality, place in ranges if name == "*"]
        quality, place = max(own or others, default=(0.0, 0))
        if quality > 0:
            liked[tag] = (quality, place)
    return Language(max(liked, key=lambda tag: liked[tag], default=default))


def in_language(default: str) -> Callable[[Request, Response], Awaitable[Language]]:
    """Returns a dependency for routes whose good answers have messages; it marks the response, too."""

    async def dependency(request: Request, response: Response) -> Language:
        language = language_of(request.headers.getlist("accept-language"), default)
        language.mark(response)
        return language

    return dependency


@lru_cache(maxsize=len(LANGUAGES))
def catalogue_of(tag: str) -> dict[str, str]:
    """Returns the translations by their English templates."""
    text = files(__package__).joinpath("catalogues", f"{tag}.json").read_text(encoding="utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue


@lru_cache(maxsize=len(LANGUAGES))
def settings_catalogue_of(tag: str) -> dict[str, str]:
    """Returns the translations of recipes' titles and of what is said of their settings, by the English text."""
    text = files(__package__).joinpath("catalogues", "settings", f"{tag}.json").read_text(encoding="utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue


def _ranges(header: str) -> Iterable[tuple[str, float, int]]:
    """Yields name, quality and place of each range. One whose quality is none counts as if it were not there."""
    for place, text in enumerate(header.split(",")[:MAX_RANGES]):
        name, *parameters = (part.strip() for part in text.lower().split(";"))
        weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
        quality = _quality(weights[0]) if weights else 1.0
        if name and quality is not None:
            yield name, quality, place


def _quality(text: str) -> float | None:
    whole, point, digits = text.partition(".")
    if whole not in ("0", "1") or len(digits) > 3 or not (digits == "" or (digits.isascii() and digits.isdigit())):
        return None
    value = float(text.rstrip(".") if point else text)
    return value if value <= 1 else None
