"""The type of fields that hold a sentence which can be told in other languages."""

from typing import Annotated

from pydantic import SkipValidation

Sentence = Annotated[str, SkipValidation]
"""Validation would make a plain text of a `kit.translatable.Translatable`."""
