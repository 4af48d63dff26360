"""A check of data, which takes longer than a session should be open."""

from finery.contracts.datasets.measurement import DatasetCheck
from finery.contracts.permissions import Principal
from finery.domain.datasets import inspection
from finery.domain.datasets.inspection import Asked
from finery.http.services import Services


def check_data(services: Services, asked: Asked, who: Principal) -> DatasetCheck:
    with services.database.read() as session:
        found = inspection.find(session, asked, who, services.ground)
    check = inspection.inspect(asked, found, services.ground)
    with services.database.read() as session:
        return inspection.told(session, check, asked, who, services.ground)
