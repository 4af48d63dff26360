"""Finds models in the cache of the Hugging Face hub's client, without importing that."""

import os
from pathlib import Path

TRUE = frozenset({"1", "ON", "YES", "TRUE"})
"""Values that the hub's client reads as true."""


def cached_snapshot(hub_id: str) -> Path | None:
    """Returns the folder of the newest downloaded version of a model; None if there is none."""
    folder = _cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except (OSError, ValueError):
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if commit.isalnum() and snapshot.is_dir() else None


def is_offline() -> bool:
    """Returns whether the hub is never asked, so that only cached models exist."""
    return (os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or "").upper() in TRUE


def _cache() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or caches / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
