"""The formula of a `multi` grader: parses and evaluates arithmetic over its graders' scores.

Python's parser reads it, but nothing is executed: only numbers, names, five operators and eight functions are accepted
in the syntax tree.
"""

import ast
import math
import operator
import sys
from collections.abc import Callable, Collection, Mapping

LONGEST = 1000
DEEPEST = 100

Binary = Callable[[float, float], float]
OPERATORS: dict[type[ast.operator], Binary] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
OF_ONE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
OF_SEVERAL: dict[str, Callable[[list[float]], float]] = {"min": min, "max": max}
FUNCTIONS = (*OF_SEVERAL, *OF_ONE)


class FormulaRefused(ValueError):
    """The text is no formula over the graders' names."""


class FormulaFailed(ArithmeticError):
    """The formula has no value for the scores: a division by zero, a root of a negative number, an overflow."""


class Formula:
    """A parsed formula. `^` is the power, `log` the natural logarithm. The constructor raises FormulaRefused."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        self._names = names
        self._body = _parsed(text)
        self._check(self._body, 0)

    def value(self, scores: Mapping[str, float]) -> float:
        """Returns the finite value for the scores. Raises FormulaFailed."""
        try:
            value = float(_value(self._body, scores))
        except (ArithmeticError, ValueError) as error:
            raise FormulaFailed(f"the formula has no value here: {error}") from error
        if not math.isfinite(value):
            raise FormulaFailed("the formula's value is not finite")
        return value

    def _check(self, node: ast.AST, depth: int) -> None:
        if depth > DEEPEST:
            raise FormulaRefused("the formula is nested too deeply")
        match node:
            case ast.BinOp():
                _known_operator(node.op, OPERATORS)
                self._check(node.left, depth + 1)
                self._check(node.right, depth + 1)
            case ast.UnaryOp():
                _known_operator(node.op, SIGNS)
                self._check(node.operand, depth + 1)
            case ast.Call():
                self._check_call(node)
                for argument in node.args:
                    self._check(argument, depth + 1)
            case ast.Name():
                self._check_name(node.id)
            case _:
                _check_number(node)

    def _check_call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            raise FormulaRefused(f"the formula may only call {', '.join(FUNCTIONS)}")
        if node.keywords or not node.args or (name in OF_ONE and len(node.args) != 1):
            raise FormulaRefused(f"{name} takes {'one number' if name in OF_ONE else 'numbers'}, without names")

    def _check_name(self, name: str) -> None:
        if name not in self._names:
            raise FormulaRefused(f"the formula names {name[:80]!r}; its graders are {', '.join(self._names)}")


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise FormulaRefused(f"the formula is longer than {LONGEST} characters")
    if "**" in text:
        raise FormulaRefused("the power is written ^")
    try:
        return ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaRefused("the formula cannot be read; it is arithmetic like (name + 2 * email) / 3") from error


def _known_operator(op: ast.AST, known: Collection[type[ast.AST]]) -> None:
    if type(op) not in known:
        raise FormulaRefused("the formula may only use + - * / ^ and parentheses")


def _check_number(node: ast.AST) -> None:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormulaRefused("the formula may only hold numbers, names of graders, + - * / ^ and functions")
    # An integer beyond the range of floats can be compared with them, but not converted to one.
    if not abs(value) <= sys.float_info.max:
        raise FormulaRefused("the formula holds a number that is too large")


def _value(node: ast.AST, scores: Mapping[str, float]) -> float:
    match node:
        case ast.BinOp():
            return OPERATORS[type(node.op)](_value(node.left, scores), _value(node.right, scores))
        case ast.UnaryOp():
            return SIGNS[type(node.op)](_value(node.operand, scores))
        case ast.Call(func=ast.Name(id=name)):
            values = [_value(argument, scores) for argument in node.args]
            return OF_SEVERAL[name](values) if name in OF_SEVERAL else OF_ONE[name](values[0])
        case ast.Name():
            return float(scores[node.id])
        case ast.Constant(value=int() | float() as number):
            return float(number)
    raise AssertionError(f"{type(node).__name__} was refused before")
