"""Graders that score answers, in the format of OpenAI's API: their types, templates and formulas."""

from finery.contracts.graders.formula import Formula, FormulaFailed, FormulaRefused
from finery.contracts.graders.templates import FieldMissing, item_paths, render, sample_of
from finery.contracts.graders.types import (
    MOST_GRADERS,
    Grader,
    GraderError,
    MultiGrader,
    PythonGrader,
    ScoreModelGrader,
    SingleGrader,
    StringCheckGrader,
    TextSimilarityGrader,
    judges_of,
    lowest_score,
    parts_of,
    passes,
    runs_python,
    templates_of,
)

__all__ = [
    "MOST_GRADERS",
    "FieldMissing",
    "Formula",
    "FormulaFailed",
    "FormulaRefused",
    "Grader",
    "GraderError",
    "MultiGrader",
    "PythonGrader",
    "ScoreModelGrader",
    "SingleGrader",
    "StringCheckGrader",
    "TextSimilarityGrader",
    "item_paths",
    "judges_of",
    "lowest_score",
    "parts_of",
    "passes",
    "render",
    "runs_python",
    "sample_of",
    "templates_of",
]
