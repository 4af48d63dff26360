"""Tokens for hubs, trackers and webhooks: stored encrypted, named in configurations, never shown again."""

from finery.domain.secrets.service import delete, list_names, put, readable_values, require, resolve

__all__ = ["delete", "list_names", "put", "readable_values", "require", "resolve"]
