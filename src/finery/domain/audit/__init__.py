"""The record of who did what. It grows and is read; nothing here changes or removes an entry."""

from finery.domain.audit.reading import export, list_page
from finery.domain.audit.recording import record

__all__ = ["export", "list_page", "record"]
