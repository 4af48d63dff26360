"""The record of who did what. It grows and is read; nothing here changes or removes an entry."""

from finery.domain.audit.reading import export, list_page
from finery.domain.audit.recording import record
from finery.domain.audit.subject import name_target, target_of

__all__ = ["export", "list_page", "name_target", "record", "target_of"]
