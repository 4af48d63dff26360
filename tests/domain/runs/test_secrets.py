from pathlib import Path

import pytest

from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level, Permission, Principal, permissions_of
from finery.contracts.run import NewRun
from finery.db import Database
from finery.domain import runs, secrets
from finery.domain.errors import DomainError
from finery.domain.runs import attempts, claims
from finery.domain.runs.errors import InvalidRun
from finery.domain.secrets.errors import SecretsMissing
from tests import builders
from tests.domain.accounts import people


@pytest.fixture
def ann(database: Database) -> Principal:
    people.first_admin(database)
    return Principal(
        people.user(database, "ann").id, "ann", permissions_of([Level.RESEARCHER]) | {Permission.COMMANDS_RUN}
    )


def put(database: Database, home: Path, name: str, owner: Principal | None = None) -> None:
    with database.write() as session:
        box = builders.context(home).secrets
        secrets.put(session, box, name, "a value", owner_id=owner.user_id if owner else None)


def create(database: Database, home: Path, new: NewRun, actor: Principal) -> str:
    with database.write() as session:
        return runs.create(session, new, builders.context(home), actor).id


class TestCreate:
    def test_ones_own_secrets_and_the_servers(self, database: Database, home: Path, ann: Principal) -> None:
        put(database, home, "MINE", ann)
        put(database, home, "OURS")
        create(database, home, builders.command(secrets=["MINE", "OURS"]), ann)
        with pytest.raises(SecretsMissing, match="named MINE,"):
            create(database, home, builders.command(secrets=["MINE", "OURS"]), LOCAL_ADMINISTRATOR)

    def test_accepted_once_is_accepted_again_without_them(self, database: Database, home: Path, ann: Principal) -> None:
        put(database, home, "MINE", ann)
        new = builders.command(secrets=["MINE"], idempotency_key="once")
        run_id = create(database, home, new, ann)
        with database.write() as session:
            secrets.delete(session, "MINE", owner_id=ann.user_id)
        assert create(database, home, new, ann) == run_id

    @pytest.mark.parametrize(
        ("names", "field"), [(["A", "LD_PRELOAD"], "secrets.1"), (["HTTPS_PROXY"], "secrets.0"), (["a b"], "secrets.0")]
    )
    def test_names_that_cannot_be_variables(self, database: Database, home: Path, names: list[str], field: str) -> None:
        with pytest.raises(InvalidRun) as caught:
            create(database, home, builders.command(secrets=names), LOCAL_ADMINISTRATOR)
        assert [issue.field for issue in caught.value.issues] == [field]

    def test_a_value_is_never_told(self, database: Database, home: Path, ann: Principal) -> None:
        put(database, home, "OTHER", ann)
        with pytest.raises(DomainError) as caught:
            create(database, home, builders.command(secrets=["MISSING", "OTHER"]), ann)
        assert "a value" not in str(caught.value)


class TestClaim:
    def test_names_owner_and_secrets(self, database: Database, home: Path, ann: Principal) -> None:
        put(database, home, "MY_KEY", ann)
        new = builders.sft(home, config={"model_name": "org/model", "secrets": ["MY_KEY"]})
        create(database, home, new, ann)
        with database.write() as session:
            claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=3)
        assert claim is not None
        assert (claim.owner_id, claim.resolved.secrets) == (ann.user_id, ["MY_KEY"])
        assert claim.resolved.optional_secrets == ["HF_TOKEN"]
        with database.read() as session:
            [live] = attempts.list_live(session)
        assert (live.owner_id, live.secrets) == (ann.user_id, ["MY_KEY", "HF_TOKEN"])
