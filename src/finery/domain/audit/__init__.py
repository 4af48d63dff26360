"""The audit log: who did what. It grows and is read; nothing here changes or removes an entry."""

from finery.domain.audit.service import (
    export,
    export_csv,
    list_page,
    name_changes,
    name_hidden_change,
    name_target,
    named_details,
    record,
    target_of,
)

__all__ = [
    "export",
    "export_csv",
    "list_page",
    "name_changes",
    "name_hidden_change",
    "name_target",
    "named_details",
    "record",
    "target_of",
]
