"""Client methods for stored datasets and their versions: `FineryClient.datasets`."""

from pathlib import Path

from finery.client.errors import MAX_NAMED, FineryError, ambiguous
from finery.client.responses import Answer
from finery.client.transport import LONG_ANSWER_SECONDS, Transport, api_path, parse, without_none
from finery.contracts.stored_datasets import Dataset, DatasetDiff, DatasetPage, DatasetVersion, Preview, Statistics

ID_PREFIX = "ds_"


class VersionList(Answer):
    versions: list[DatasetVersion]


class Datasets:
    """Takes an id wherever a parameter is called `dataset`; `find` looks one up by name."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(self, file: Path, *, name: str | None = None, note: str | None = None, shared: bool = False) -> Dataset:
        """Stores a file as a dataset's first version.

        Without a name the dataset is called as its file, and a file of the same name again becomes the next version.
        """
        fields = without_none({"name": name, "note": note, "shared": "true" if shared else None})
        return self._transport.upload(Dataset, api_path("datasets"), file, fields=fields)

    def add_version(self, dataset: str, file: Path, *, note: str | None = None) -> DatasetVersion:
        path = api_path("datasets", dataset, "versions")
        return self._transport.upload(DatasetVersion, path, file, fields=without_none({"note": note}))

    def find(self, text: str) -> Dataset:
        """Returns the dataset of this id or name, else the only one whose id begins so.

        Raises FineryError, also where several people share the name, and where several ids begin so.
        """
        if text.startswith(ID_PREFIX):
            return self._find_by_id(text)
        datasets = self.list_page(name=text).datasets
        if len(datasets) == 1:
            return datasets[0]
        if not datasets:
            raise FineryError(code="dataset_not_found", message=f"there is no dataset {text!r}", status=404)
        ids = ", ".join(each.id for each in datasets)
        message = f"several datasets are named {text!r}; name one by id: {ids}"
        raise FineryError(code="dataset_ambiguous", message=message, status=409)

    def _find_by_id(self, text: str) -> Dataset:
        try:
            return self.get(text)
        except FineryError as error:
            if error.code != "dataset_not_found":
                raise
            datasets = self.list_page(id_prefix=text, limit=MAX_NAMED + 1).datasets
            if len(datasets) > 1:
                raise ambiguous("dataset", text, [each.id for each in datasets]) from None
            if not datasets:
                raise
            return datasets[0]

    def get(self, dataset: str) -> Dataset:
        return self._transport.get(Dataset, api_path("datasets", dataset))

    def list_page(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        name: str | None = None,
        id_prefix: str | None = None,
    ) -> DatasetPage:
        """Returns datasets newest first; `next_cursor` leads to the older ones."""
        parameters = {"limit": limit, "cursor": cursor, "name": name, "id_prefix": id_prefix}
        return self._transport.get(DatasetPage, api_path("datasets"), parameters)

    def versions(self, dataset: str) -> list[DatasetVersion]:
        """Returns the versions, newest first."""
        return self._transport.get(VersionList, api_path("datasets", dataset, "versions")).versions

    def preview(
        self, dataset: str, *, version: int | None = None, rows: int | None = None, offset: int | None = None
    ) -> Preview:
        parameters = {"version": version, "rows": rows, "offset": offset}
        return self._transport.get(Preview, api_path("datasets", dataset, "preview"), parameters)

    def statistics(self, dataset: str, *, version: int | None = None) -> Statistics:
        """Returns counts of rows, roles and lengths. The first call for a version reads its whole file."""
        path = api_path("datasets", dataset, "statistics")
        return self._transport.get(Statistics, path, {"version": version}, timeout=LONG_ANSWER_SECONDS)

    def diff(self, dataset: str, old: int, new: int | None = None) -> DatasetDiff:
        """Returns the rows that came and went between two versions; `new` None: the newest."""
        path = api_path("datasets", dataset, "diff")
        return self._transport.get(DatasetDiff, path, {"old": old, "new": new}, timeout=LONG_ANSWER_SECONDS)

    def restore(self, dataset: str, version: int, *, note: str | None = None) -> DatasetVersion:
        """Makes an old version's content the newest version."""
        body = without_none({"version": version, "note": note})
        return self._transport.post(DatasetVersion, api_path("datasets", dataset, "restore"), body=body)

    def download(self, dataset: str, target: Path, *, version: int | None = None) -> None:
        """Writes a version's file to `target`, which appears only when it is whole."""
        self._transport.download(api_path("datasets", dataset, "content"), target, {"version": version})

    def update(self, dataset: str, *, name: str | None = None, shared: bool | None = None) -> Dataset:
        """Changes what is given."""
        body = without_none({"name": name, "shared": shared})
        return parse(Dataset, self._transport.request("PATCH", api_path("datasets", dataset), body=body))

    def delete(self, dataset: str) -> None:
        """Deletes a dataset with all its versions. The server refuses while an unfinished run reads one of them."""
        self._transport.request("DELETE", api_path("datasets", dataset))
