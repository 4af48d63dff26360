"""Notes the topics of a transaction, so that its commit wakes only the loops and streams that it concerns.

The names of the tables that it writes to are topics; the domain announces others that these do not tell.
"""

from enum import StrEnum

from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

TOPICS = "topics"
"""The key in the `info` of a session that writes."""
UNKNOWN = "?"
"""Stands for the table of a statement that has no mapper: such a commit concerns everybody."""


class Topic(StrEnum):
    QUEUE = "queue"
    """A run may be able to start now that could not before."""
    INTENTS = "intents"
    """An intent or a request is to be delivered to a live run."""


def run_topic(run_number: int) -> str:
    """Return the topic of those who follow the events of this run."""
    return f"run:{run_number}"


def run_of_topic(topic: str) -> int | None:
    """Return the number of the run that a topic is about; None: it is another one."""
    kind, _, number = topic.partition(":")
    return int(number) if kind == "run" and number else None


def announce(session: Session, *topics: str) -> None:
    """Add topics to the transaction. Does nothing in a session that only reads."""
    session.info.get(TOPICS, set()).update(topics)


def note_flushed(session: Session, _: UOWTransaction) -> None:
    session.info[TOPICS].update(row.__tablename__ for row in (*session.new, *session.dirty, *session.deleted))


def note_executed(state: ORMExecuteState) -> None:
    if not state.is_select:
        mapper = state.bind_mapper
        state.session.info[TOPICS].add(UNKNOWN if mapper is None else mapper.class_.__tablename__)
