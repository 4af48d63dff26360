"""Pydantic models in a column."""

from typing import Any

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from finery.contracts.deployment import DeploymentDetails
from finery.db.types import Stored


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    details: Mapped[DeploymentDetails | None] = mapped_column(Stored(DeploymentDetails))


@pytest.fixture
def session() -> Any:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


class TestStored:
    def test_comes_back_without_what_is_its_default(self, session: Session) -> None:
        details = DeploymentDetails(key="k", need=7, adapters={"a": "/é"})
        session.add_all([Row(id=1, details=details), Row(id=2, details=None)])
        session.commit()
        session.expire_all()
        assert session.scalars(select(Row.details).order_by(Row.id)).all() == [details, None]
        first = session.execute(text("SELECT details FROM things WHERE id = 1")).scalar_one()
        assert first == '{"key": "k", "adapters": {"a": "/\\u00e9"}, "need": 7}'

    def test_what_an_earlier_version_stored(self, session: Session) -> None:
        old = '{"need": 5, "slot": "main", "crashes": ["2026-01-02T03:04:05+00:00"], "gone_since": 1}'
        session.execute(text("INSERT INTO things VALUES (1, :old), (2, '{}')"), {"old": old})
        found, empty = session.scalars(select(Row.details).order_by(Row.id))
        assert found is not None
        assert (found.need, found.slot, [at.year for at in found.crashes]) == (5, "main", [2026])
        assert empty == DeploymentDetails()
