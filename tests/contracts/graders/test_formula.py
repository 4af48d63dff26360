import math
import time

import pytest

from finery.contracts.graders.formula import Formula, FormulaFailed, FormulaRefused

SCORES = {"name": 0.5, "email": 1.0, "low": -2.0}


class TestValue:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("(name + email) / 2", 0.75),
            ("name", 0.5),
            (" 0.5 * name + 0.5 * email ", 0.75),
            ("2 ^ 3 ^ 2", 512.0),
            ("-name^2", -0.25),
            ("1 - 2 - 3", -4.0),
            ("min(name, email, low)", -2.0),
            ("max(name)", 0.5),
            ("abs(low) + floor(1.7) + ceil(1.2)", 5.0),
            ("exp(0) + log(exp(2)) + sqrt(9)", 6.0),
            ("+low", -2.0),
            ("(\n1 +\n2\n)", 3.0),
            ("1e3", 1000.0),
        ],
    )
    def test_arithmetic(self, text: str, value: float) -> None:
        assert Formula(text, list(SCORES)).value(SCORES) == pytest.approx(value)

    @pytest.mark.parametrize(
        "text", ["name / (email - 1)", "sqrt(low)", "log(0)", "exp(1000)", "low ^ 0.5", "10 ^ 10 ^ 10", "1e308 * 10"]
    )
    def test_has_none(self, text: str) -> None:
        with pytest.raises(FormulaFailed, match="formula"):
            Formula(text, list(SCORES)).value(SCORES)

    def test_is_finite_also_for_scores_that_are_not(self) -> None:
        with pytest.raises(FormulaFailed):
            Formula("name", ["name"]).value({"name": math.nan})


class TestFormula:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "name +",
            "other",
            "name ** 2",
            "name // 2",
            "name % 2",
            "name < 1",
            "name and email",
            "name if email else 0",
            "[name][0]",
            "name.real",
            "name()",
            "'a'",
            "True",
            "1j",
            "...",
            "lambda: 1",
            "(x := 1)",
            "name, email",
            "name; email",
            "min()",
            "abs(name, email)",
            "min(*[name])",
            "max(name, key=abs)",
            "round(name)",
            "pow(2, 3)",
            "__import__('os').system('true')",
            "min.__class__",
            "eval('1')",
            "f'{name}'",
            "9" * 400,
            "name" + " + name" * 400,
            "-" * 900 + "1",
            "(" * 450 + "1" + ")" * 450,
            "abs(" * 150 + "1" + ")" * 150,
            "1\x00",
        ],
    )
    def test_refuses(self, text: str) -> None:
        begun = time.perf_counter()
        with pytest.raises(FormulaRefused):
            Formula(text, list(SCORES))
        assert time.perf_counter() - begun < 1.0

    def test_names_what_there_is(self) -> None:
        with pytest.raises(FormulaRefused, match="names 'nmae'; its graders are name, email"):
            Formula("nmae + email", ["name", "email"])
