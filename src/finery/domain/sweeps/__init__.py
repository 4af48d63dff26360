"""Sweeps: runs of one request that differ in some fields of their configuration."""

from finery.domain.sweeps.preview import preview
from finery.domain.sweeps.service import cancel, change, create, delete, get, list_page

__all__ = ["cancel", "change", "create", "delete", "get", "list_page", "preview"]
