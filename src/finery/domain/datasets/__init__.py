"""Datasets: is this file fit for that recipe?"""

from finery.domain.datasets.check import check_dataset
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused

__all__ = ["DatasetNotFound", "DatasetRefused", "check_dataset"]
