"""What is kept out of the record: the values of the secrets that an attempt was started with."""

from collections.abc import Iterable

from finery.db import Database
from finery.domain import secrets
from finery.domain.context import DomainContext
from finery.domain.runs.attempts import AttemptRef, LiveAttempt
from finery.kit.redaction import NOTHING, Redactor


class Redactors:
    """One for each live attempt with secrets. After the server's restart: the values that are stored now."""

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
        known = self._known.get(attempt.ref)
        return known if known is not None else self.remember(attempt.ref, self._stored(attempt))

    def forget(self, ref: AttemptRef) -> None:
        self._known.pop(ref, None)

    def _stored(self, attempt: LiveAttempt) -> list[str]:
        with self._database.read() as session:
            return secrets.readable_values(session, self._context.secrets, attempt.secrets, owner_id=attempt.owner_id)
