from finery.domain.errors import ErrorKind
from finery.http.problems import STATUSES


class TestStatuses:
    def test_every_kind_has_one(self) -> None:
        assert STATUSES.keys() == set(ErrorKind)
