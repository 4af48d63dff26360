"""Client methods that read the server's audit log: `FineryClient.audit`."""

from collections.abc import Iterator

from finery.client.sse import read_lines
from finery.client.transport import Parameters, Transport, api_path
from finery.contracts.accounts import AuditEntry, AuditFilter, AuditPage


class Audit:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def page(
        self, criteria: AuditFilter | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> AuditPage:
        """Returns entries newest first; `next_cursor` leads to the older ones."""
        parameters = {**_parameters(criteria), "limit": limit, "cursor": cursor}
        return self._transport.get(AuditPage, api_path("audit"), parameters)

    def export(self, criteria: AuditFilter | None = None) -> Iterator[AuditEntry]:
        """Yields all entries as they arrive, oldest first."""
        path = api_path("audit", "export")
        with self._transport.stream("GET", path, parameters=_parameters(criteria)) as answer:
            for line in read_lines(answer.iter_bytes()):
                if line:
                    yield AuditEntry.model_validate_json(line)


def _parameters(criteria: AuditFilter | None) -> Parameters:
    return criteria.model_dump(mode="json", exclude_none=True) if criteria else {}
