"""The record of who did what."""

from collections.abc import Iterator

from finery.client.sse import read_lines
from finery.client.transport import PREFIX, Parameters, Transport
from finery.contracts.accounts import AuditEntry, AuditFilter, AuditPage


class Audit:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def page(
        self, wanted: AuditFilter | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> AuditPage:
        """Newest first; `next_cursor` leads to the older ones."""
        parameters = {**_parameters(wanted), "limit": limit, "cursor": cursor}
        return self._transport.get(AuditPage, f"{PREFIX}/audit", parameters)

    def export(self, wanted: AuditFilter | None = None) -> Iterator[AuditEntry]:
        """All of them, oldest first, as they arrive."""
        with self._transport.stream("GET", f"{PREFIX}/audit/export", parameters=_parameters(wanted)) as answer:
            for line in read_lines(answer.iter_bytes()):
                if line:
                    yield AuditEntry.model_validate_json(line)


def _parameters(wanted: AuditFilter | None) -> Parameters:
    return wanted.model_dump(mode="json", exclude_none=True) if wanted else {}
