"""What the hub's client keeps on disk, looked at without loading it."""

import os
from pathlib import Path

TRUE = frozenset({"1", "ON", "YES", "TRUE"})
"""As the hub's client reads its switches."""


def cached_snapshot(hub_id: str) -> Path | None:
    """The folder of the newest version that was fetched of a model, where trainers and engines find it too."""
    folder = _cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except (OSError, ValueError):
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if commit.isalnum() and snapshot.is_dir() else None


def is_offline() -> bool:
    """Whether the hub is never asked: what is not in the cache then is nowhere."""
    return (os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or "").upper() in TRUE


def _cache() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or caches / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
