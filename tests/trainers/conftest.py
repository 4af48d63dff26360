"""The built-in models, made once for all tests and workers."""

import os
from pathlib import Path

import pytest
import torch

from finery.trainers.builtin import ensure_builtin

# Threads that wait spinning for a core that another worker has make everything ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where built-in models are kept; workers share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return shared / "builtin"


@pytest.fixture(scope="session")
def tiny_llama(cache: Path) -> Path:
    return ensure_builtin("finery/tiny-llama", cache)


@pytest.fixture(scope="session")
def instruct(cache: Path) -> Path:
    """Takes about 20 seconds the first time."""
    return ensure_builtin("finery/tiny-llama-instruct", cache)
