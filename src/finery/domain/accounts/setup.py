"""Creates the first administrator; from then on the server takes no requests without an account."""

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.accounts import NewUser, SetupStatus, User
from finery.contracts.permissions import Level
from finery.domain.accounts.errors import SetupDone
from finery.domain.accounts.mapping import user_of
from finery.domain.accounts.queries import FIRST_ADMIN
from finery.domain.accounts.users import insert_user, prepare_user
from finery.domain.accounts.validation import raise_on_issues
from finery.domain.errors import Issue
from finery.kit.clock import utc_now
from finery.models import SetupRow, UserRow


def has_accounts(session: Session) -> bool:
    """Return whether there is a first administrator: one look-up by primary key. Once True, it stays True."""
    query = select(SetupRow.step).where(SetupRow.step == FIRST_ADMIN)
    return session.scalars(query).one_or_none() is not None


def setup_status(session: Session) -> SetupStatus:
    is_done = has_accounts(session)
    count = session.scalar(select(func.count()).select_from(UserRow)) or 0
    return SetupStatus(needs_setup=not is_done, has_admin=is_done, user_count=count)


def create_first_admin(session: Session, new: NewUser) -> User:
    """Create an administrator, whatever `new.levels` says. Of concurrent requests one wins.

    Raises SetupDone, InvalidAccount.
    """
    if has_accounts(session):
        raise SetupDone()
    if new.password is None:
        raise_on_issues([Issue("password", "is needed")])
    row = prepare_user(new.model_copy(update={"levels": [Level.ADMIN]}))
    try:
        with session.begin_nested():
            session.add(SetupRow(step=FIRST_ADMIN, done_at=utc_now()))
            session.flush()
    except IntegrityError as error:
        raise SetupDone() from error
    insert_user(session, row)
    return user_of(row)
