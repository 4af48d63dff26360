"""Keeps the values of an attempt's secrets out of its events and messages."""

from collections.abc import Iterable

from finery.db import Database
from finery.domain import secrets
from finery.domain.context import DomainContext
from finery.domain.runs.attempts import AttemptRef, LiveAttempt
from finery.kit.redaction import NOTHING, Redactor


class Redactors:
    """Has a redactor for each live attempt with secrets. After a restart it redacts the values that are stored now."""

    def __init__(self, database: Database, context: DomainContext) -> None:
        self._database = database
        self._context = context
        self._known: dict[AttemptRef, Redactor] = {}

    def remember(self, ref: AttemptRef, values: Iterable[str]) -> Redactor:
        self._known[ref] = Redactor(values)
        return self._known[ref]

    def of(self, attempt: LiveAttempt) -> Redactor:
        if not attempt.secrets:
            return NOTHING
        redactor = self._known.get(attempt.ref)
        if redactor is None:
            box, owner_id = self._context.secrets, attempt.owner_id
            with self._database.read() as session:
                values = secrets.readable_values(session, box, attempt.secrets, owner_id=owner_id)
            redactor = self.remember(attempt.ref, values)
        return redactor

    def forget(self, ref: AttemptRef) -> None:
        self._known.pop(ref, None)
