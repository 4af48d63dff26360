"""Datasets: the store that keeps them version by version, and the checks of whether a file is fit for a recipe."""

from finery.domain.datasets.blobs import NewFile, has_unused, remove_files, remove_strays, remove_unused
from finery.domain.datasets.check import check_dataset
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused
from finery.domain.datasets.references import ResolvedDataset, named_by_reference, pin, resolve_reference
from finery.domain.datasets.row_diff import diff
from finery.domain.datasets.row_preview import preview
from finery.domain.datasets.service import change, create, delete, get, list_page
from finery.domain.datasets.statistics import measure
from finery.domain.datasets.usage import list_uses
from finery.domain.datasets.versions import (
    VersionFile,
    add_version,
    list_versions,
    locate,
    record_statistics,
    restore,
)

__all__ = [
    "DatasetNotFound",
    "DatasetRefused",
    "NewFile",
    "ResolvedDataset",
    "VersionFile",
    "add_version",
    "change",
    "check_dataset",
    "create",
    "delete",
    "diff",
    "get",
    "has_unused",
    "list_page",
    "list_uses",
    "list_versions",
    "locate",
    "measure",
    "named_by_reference",
    "pin",
    "preview",
    "record_statistics",
    "remove_files",
    "remove_strays",
    "remove_unused",
    "resolve_reference",
    "restore",
]
