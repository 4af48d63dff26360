"""A check of data, which takes longer than a session should be open."""

from finery.contracts.datasets.measurement import DatasetCheck
from finery.contracts.permissions import Principal
from finery.domain.datasets import check_request
from finery.domain.datasets.check_request import CheckRequest
from finery.http.services import Services


def check_data(services: Services, asked: CheckRequest, actor: Principal) -> DatasetCheck:
    with services.database.read() as session:
        found = check_request.find(session, asked, actor, services.context)
    check = check_request.inspect(asked, found, services.context)
    with services.database.read() as session:
        return check_request.told(session, check, asked, actor, services.context)
