"""Secrets: tokens for hubs and trackers that are stored encrypted, named in configurations and never shown again."""

from finery.domain.secrets.service import delete, list_names, put, readable_values, require, resolve

__all__ = ["delete", "list_names", "put", "readable_values", "require", "resolve"]
