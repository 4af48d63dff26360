"""What a transaction was about, so that its commit wakes those whom it concerns, and nobody else.

The names of the tables that it wrote to are topics by themselves; the domain announces what they do not tell.
"""

from enum import StrEnum

from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

TOPICS = "topics"
"""In the `info` of a session that writes."""
UNKNOWN = "?"
"""Stands for the table of a statement that does not tell it: such a commit concerns everybody."""


class Topic(StrEnum):
    QUEUE = "queue"
    """A run may be able to start that could not before."""
    INTENTS = "intents"
    """Something is to be carried to a run that is alive."""


def run_topic(run_number: int) -> str:
    """Concerns who follows the events of this run."""
    return f"run:{run_number}"


def announce(session: Session, *topics: str) -> None:
    """Nothing in a session that only reads."""
    session.info.get(TOPICS, set()).update(topics)


def note_flushed(session: Session, _: UOWTransaction) -> None:
    session.info[TOPICS].update(row.__tablename__ for row in (*session.new, *session.dirty, *session.deleted))


def note_executed(state: ORMExecuteState) -> None:
    if not state.is_select:
        mapper = state.bind_mapper
        state.session.info[TOPICS].add(UNKNOWN if mapper is None else mapper.class_.__tablename__)
