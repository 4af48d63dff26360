"""Between the wire types of accounts and the core's."""

from finery.api.native.account_schemas import Me, SetupRequest
from finery.contracts.accounts import NewUser, User
from finery.contracts.permissions import Principal


def to_new_admin(request: SetupRequest) -> NewUser:
    return NewUser(email=request.email, username=request.username, display_name=request.display_name)


def to_me(principal: Principal, user: User | None) -> Me:
    return Me(
        user=user,
        name=principal.name,
        permissions=sorted(principal.permissions),
        is_local=principal.is_local,
        is_scoped=principal.is_scoped,
    )
