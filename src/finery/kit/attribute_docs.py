"""Reads the docstrings that stand under the attributes of a class, which Python itself forgets.

They are read from the source when somebody asks for them: to read them while a class is made, as pydantic can, takes a
server's start a third longer.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache


def attribute_docs(kind: type) -> dict[str, str]:
    """Returns attribute → its docstring on one line, inherited ones included.

    A class that names an attribute again without a docstring inherits that of its base.
    """
    docs: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        docs |= _docs_of_module(each.__module__).get(each.__qualname__, {})
    return docs


@cache
def _docs_of_module(name: str) -> dict[str, dict[str, str]]:
    """Returns class → attribute → docstring; nothing of a module whose source is not there."""
    try:
        source = inspect.getsource(sys.modules[name])
    except (KeyError, OSError, TypeError):
        return {}
    return {qualified: dict(_docs_in(node)) for qualified, node in _classes_in(ast.parse(source), "")}


def _classes_in(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from _classes_in(node, f"{prefix}{node.name}.")


def _docs_in(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, after in zip(node.body, node.body[1:], strict=False):
        match statement, after:
            case (
                ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                ast.Expr(ast.Constant(str(text))),
            ):
                yield name, " ".join(text.split())
