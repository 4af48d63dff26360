"""Which environment variables a run may set, and which stored secrets a run gets without naming them."""

import re

from finery.kit.translatable import Translatable

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

_OF_EVERY_PROGRAM = frozenset(
    {
        *("PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"),
        *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "GCONV_PATH", "GLIBC_TUNABLES"),
    }
)
_OF_EVERY_PROGRAM_PREFIXES = ("LD_", "DYLD_", "FINERY_", "NVIDIA_", "BASH_FUNC_")

_OF_TRAINERS = frozenset(
    {
        *("USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "DO_NOT_TRACK"),
        *("TOKENIZERS_PARALLELISM", "HF_HOME", "HF_ENDPOINT", "MASTER_ADDR", "MASTER_PORT"),
        *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    }
)
_OF_TRAINERS_PREFIXES = (
    *("PYTHON", "CUDA_", "OMP_", "MALLOC_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "NCCL_", "TORCH", "ACCELERATE_"),
    *("TRANSFORMERS_", "HF_HUB_", "HF_DATASETS_", "XDG_", "LC_", "SSL_CERT_"),
)
_OF_TRAINERS_SUFFIXES = ("_PROXY", "_CA_BUNDLE")

CREDENTIAL_ENDINGS = ("_TOKEN", "_KEY", "_ID", "_SECRET", "_USERNAME", "_PASSWORD", "_URL", "_URI")

OPTIONAL_SECRETS: dict[str, tuple[str, ...]] = {
    "hub": ("HF_TOKEN",),
    "wandb": ("WANDB_API_KEY", "WANDB_BASE_URL"),
    "mlflow": (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
    ),
    "trackio": ("HF_TOKEN",),
}
"""Service → the secrets that a run which uses it gets if they are stored."""

ADDRESSES: dict[str, frozenset[str]] = {
    "WANDB_BASE_URL": frozenset({"WANDB_API_KEY"}),
    "MLFLOW_TRACKING_URI": frozenset({"MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}),
}
"""Variable with a service's address → the credentials that are sent there."""

CREDENTIALS = frozenset(name for names in OPTIONAL_SECRETS.values() for name in names)
"""Redacted in a trainer's output wherever they came from."""


def steers_programs(name: str) -> bool:
    """Returns whether the variable decides what a program loads or which devices it uses; those are the server's."""
    return name in _OF_EVERY_PROGRAM or name.startswith(_OF_EVERY_PROGRAM_PREFIXES)


def steers_trainers(name: str) -> bool:
    """Returns whether the variable configures the machine (paths, threads, network) and not the run."""
    return (
        steers_programs(name)
        or name in _OF_TRAINERS
        or name.startswith(_OF_TRAINERS_PREFIXES)
        or name.upper().endswith(_OF_TRAINERS_SUFFIXES)
    )


def check_secret_name(name: str) -> str:
    """Returns `name` if a trainer may get a secret under it. Raises ValueError.

    Only listed endings are accepted, since some of the variables that libraries read name a program or library to load.
    """
    if not _VARIABLE.fullmatch(name) or steers_trainers(name):
        return check_variable(name)
    if not name.upper().endswith(CREDENTIAL_ENDINGS):
        *others, last = CREDENTIAL_ENDINGS
        raise ValueError(
            Translatable(
                "a training takes credentials only, whose names end in {others} or {last}",
                others=", ".join(others),
                last=last,
            )
        )
    return name


def check_variable(name: str) -> str:
    """Returns `name` if a user's own program may get a secret under it. Raises ValueError."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            Translatable("it must be a letter or _, then letters, digits and _, at most 128: it names a variable")
        )
    if steers_trainers(name):
        raise ValueError(
            Translatable("the variable {name} steers the machine; store the secret under another name", name=name)
        )
    return name
