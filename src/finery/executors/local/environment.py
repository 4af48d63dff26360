"""Filters the server's environment variables for the processes that it starts: only listed ones pass, no secrets."""

import os
from collections.abc import Mapping

PASSED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
        "CUDA_HOME",
        "CUDA_PATH",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_DATASETS_CACHE",
        "HF_ENDPOINT",
        "HF_HUB_OFFLINE",
        "HF_DATASETS_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "TORCH_HOME",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    }
)
PASSED_PREFIXES = ("LC_",)

TRACKERS = frozenset(
    {
        "HF_TOKEN",
        "WANDB_API_KEY",
        "WANDB_BASE_URL",
        "WANDB_MODE",
        "WANDB_PROJECT",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_TOKEN",
        "TRACKIO_DIR",
    }
)
"""Addresses and keys of the hub and the trackers: for our own trainers, never for a program of the user's."""

ACCOUNTS = (
    frozenset({"WANDB_API_KEY", "WANDB_BASE_URL"}),
    frozenset({"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"}),
)
"""An address and the key for it come from one source, or the server's key would go to an address of the user's."""

EARLY_PREFIXES = ("PYTHON", "LD_", "MALLOC_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TORCH_", "MKL_", "KMP_", "GOMP_")
"""Variables that are read when Python or a library is loaded: a process forked afterwards comes too late for them."""

LATE = frozenset({"HF_TOKEN", "MKL_NUM_THREADS"})
"""Exceptions from EARLY_PREFIXES: read again each time, or set by the trainer itself."""


def base_environment(server: Mapping[str, str] = os.environ, *, also: frozenset[str] = frozenset()) -> dict[str, str]:
    """Returns what every process gets of the server's own environment, and the variables in `also` that it has."""
    names = PASSED | also
    passed = {name: value for name, value in server.items() if name in names or name.startswith(PASSED_PREFIXES)}
    if "PYTHONPATH" in passed:
        # The process starts in another directory, where a relative entry would mean another place.
        passed["PYTHONPATH"] = os.pathsep.join(
            os.path.abspath(entry) for entry in passed["PYTHONPATH"].split(os.pathsep)
        )
    return passed


def tracking_environment(wanted: Mapping[str, str]) -> frozenset[str]:
    """Returns which of TRACKERS a process gets of the server's, where `wanted` are its own variables."""
    own = [account for account in ACCOUNTS if not account.isdisjoint(wanted)]
    return TRACKERS.difference(*own)


def early(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the part of an environment that must hold before anything is imported."""
    return {name: value for name, value in environment.items() if name.startswith(EARLY_PREFIXES) and name not in LATE}


def failpoint_environment(server: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the armed failpoints: for our own programs only, never for the process that they start."""
    return {name: value for name, value in server.items() if name.startswith("FINERY_FAILPOINTS")}
