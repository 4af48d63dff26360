"""A dialect that is no part of Finery: its routes, its words and its errors, over the same runs as everybody's."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict

from finery.contracts.run import NewRun, Run
from finery.domain import runs
from finery.http.dialects import Dialect
from finery.http.errors import ErrorShape, dialect_route
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.problems import Problem
from finery.http.services import CurrentContext
from finery.http.session import ReadSession, SubmitSession

PREFIX = "/api/workshop"


class Fault(BaseModel):
    fault: str
    where: str | None


class PieceRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ore: str
    """The model that is trained."""
    fuel: str
    """The file that it is trained on."""


class Piece(BaseModel):
    piece: str
    state: str


def to_fault(problem: Problem) -> dict[str, Any]:
    return {"fault": problem.message, "where": problem.issues[0].field if problem.issues else None}


def to_piece(run: Run) -> Piece:
    return Piece(piece=run.id, state=run.status)


ERRORS = ErrorShape(to_fault)
PieceId = Annotated[str, Path(min_length=1, max_length=128)]

router = APIRouter(prefix=PREFIX, route_class=dialect_route(ERRORS), tags=["workshop"])


@router.post("/pieces", dependencies=[Depends(Allow(Permission.RUNS_WRITE))], status_code=201)
def forge(body: PieceRequest, session: SubmitSession, context: CurrentContext, user: CurrentUser) -> Piece:
    config = {"model_name": body.ore, "dataset_path": body.fuel}
    return to_piece(runs.create(session, NewRun(source="workshop", recipe="sft", config=config), context, user))


@router.get("/pieces/{piece_id}", dependencies=[Depends(Allow(Permission.RUNS_READ))])
def look_at(piece_id: PieceId, session: ReadSession, user: CurrentUser) -> Piece:
    return to_piece(runs.get(session, piece_id, user))


DIALECT = Dialect(
    name="workshop",
    routers=(router,),
    prefixes=(PREFIX,),
    errors=ERRORS,
    error_model=Fault,
    ids=re.compile(r"piece-\d+"),
    cors_headers=("X-Apprentice",),
)
