"""A check of data, which takes longer than a session should be open."""

from finery.contracts.datasets.measurement import DatasetCheck
from finery.contracts.permissions import Principal
from finery.domain.datasets import check_request
from finery.domain.datasets.check_request import CheckRequest
from finery.http.services import Services


def check_data(services: Services, asked: CheckRequest, actor: Principal) -> DatasetCheck:
    with services.database.read() as session:
        located = check_request.locate(session, asked, actor, services.context)
    check = check_request.inspect(asked, located, services.context)
    with services.database.read() as session:
        return check_request.with_requested_names(session, check, asked, actor, services.context)
