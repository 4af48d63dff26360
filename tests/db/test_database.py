from typing import Any

import pytest
from sqlalchemy import JSON, literal, select
from sqlalchemy.exc import StatementError

from finery.db import Database


class TestJson:
    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_no_number_that_is_none(self, database: Database, number: float) -> None:
        with database.read() as session, pytest.raises((StatementError, ValueError), match="JSON compliant"):
            session.execute(select(literal({"a": [number]}, JSON)))

    @pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, {"긴": "이름 😀"}])
    def test_text_and_numbers(self, database: Database, value: Any) -> None:
        with database.read() as session:
            assert session.scalar(select(literal(value, JSON))) == value
