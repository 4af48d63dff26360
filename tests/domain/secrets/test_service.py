from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from finery.db import Database
from finery.domain import accounts, secrets
from finery.domain.secrets.errors import (
    InvalidSecret,
    SecretKeyUnusable,
    SecretNotFound,
    SecretsMissing,
    SecretUnreadable,
    ServersCredential,
)
from finery.kit.secretbox import KEY_FILE, SecretBox
from finery.models import SecretRow
from tests.domain.accounts import people

VALUE = "hf_very_secret"


@pytest.fixture
def box(home: Path) -> SecretBox:
    return SecretBox(home / ".finery")


@pytest.fixture
def ann(database: Database) -> str:
    people.first_admin(database)
    return people.user(database, "ann").id


def put(database: Database, box: SecretBox, name: str, value: str = VALUE, *, owner_id: str | None = None) -> None:
    with database.write() as session:
        secrets.put(session, box, name, value, owner_id=owner_id)


def resolve(database: Database, box: SecretBox, *names: str, owner_id: str | None = None) -> dict[str, str]:
    with database.read() as session:
        return secrets.resolve(session, box, names, owner_id=owner_id)


class TestPut:
    def test_is_stored_encrypted(self, database: Database, box: SecretBox) -> None:
        put(database, box, "HF_TOKEN")
        with database.read() as session:
            row = session.scalars(select(SecretRow)).one()
            assert VALUE not in row.value
            assert VALUE not in repr(secrets.list_names(session, owner_id=None))
        assert resolve(database, box, "HF_TOKEN", "HF_TOKEN") == {"HF_TOKEN": VALUE}

    def test_again_replaces(self, database: Database, box: SecretBox) -> None:
        put(database, box, "HF_TOKEN")
        put(database, box, "HF_TOKEN", "another value")
        assert resolve(database, box, "HF_TOKEN") == {"HF_TOKEN": "another value"}
        with database.read() as session:
            assert len(secrets.list_names(session, owner_id=None)) == 1

    @pytest.mark.every_database
    def test_many_at_once(self, database: Database, box: SecretBox) -> None:
        barrier, names = Barrier(8, timeout=20), ["FIRST", "SECOND", "THIRD"]

        def put_each(number: int) -> None:
            for name in names:
                barrier.wait()
                put(database, box, name, f"value {number}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put_each, range(8)))
        assert all(value.startswith("value ") for value in resolve(database, box, *names).values())

    @pytest.mark.parametrize(
        ("name", "value", "field"),
        [
            ("", VALUE, "name"),
            ("9X", VALUE, "name"),
            ("A B", VALUE, "name"),
            ("A\n", VALUE, "name"),
            ("x" * 129, VALUE, "name"),
            ("A", "abc", "value"),
            ("A", "x" * 65_537, "value"),
            ("A", VALUE + "\0", "value"),
            ("A", VALUE + "\ud800", "value"),
        ],
    )
    def test_issues_never_tell_the_value(
        self, database: Database, box: SecretBox, name: str, value: str, field: str
    ) -> None:
        with pytest.raises(InvalidSecret) as caught:
            put(database, box, name, value)
        assert caught.value.issues[0].field == field
        assert VALUE not in str(caught.value)

    def test_the_largest(self, database: Database, box: SecretBox) -> None:
        put(database, box, "KEY", "ключ" * (16 << 10))
        assert resolve(database, box, "KEY") == {"KEY": "ключ" * (16 << 10)}


class TestResolve:
    def test_ones_own_goes_before_the_servers(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "HF_TOKEN", "server's")
        put(database, box, "WANDB", "server's too")
        put(database, box, "HF_TOKEN", "ann's", owner_id=ann)
        assert resolve(database, box, "HF_TOKEN", "WANDB", owner_id=ann) == {
            "HF_TOKEN": "ann's",
            "WANDB": "server's too",
        }
        assert resolve(database, box, "HF_TOKEN") == {"HF_TOKEN": "server's"}

    def test_never_another_users(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "HF_TOKEN", owner_id=ann)
        for owner_id in (None, "somebody else"):
            with pytest.raises(SecretsMissing, match="HF_TOKEN"):
                resolve(database, box, "HF_TOKEN", owner_id=owner_id)

    def test_names_all_that_are_missing(self, database: Database, box: SecretBox) -> None:
        put(database, box, "HERE")
        with pytest.raises(SecretsMissing, match=r"named GONE, a\\x00b,"):
            resolve(database, box, "GONE", "HERE", "a\0b")

    def test_with_another_key(self, database: Database, box: SecretBox, home: Path) -> None:
        put(database, box, "HF_TOKEN")
        SecretBox(home / "other").encrypt("x")
        with pytest.raises(SecretUnreadable, match="HF_TOKEN") as caught:
            resolve(database, SecretBox(home / "other"), "HF_TOKEN")
        assert VALUE not in str(caught.value)

    def test_with_a_broken_key(self, database: Database, box: SecretBox, home: Path) -> None:
        put(database, box, "HF_TOKEN")
        (home / ".finery" / KEY_FILE).write_text("broken")
        with pytest.raises(SecretKeyUnusable):
            resolve(database, SecretBox(home / ".finery"), "HF_TOKEN")
        with pytest.raises(SecretKeyUnusable):
            put(database, SecretBox(home / ".finery"), "OTHER")

    def test_when_the_key_is_gone(self, database: Database, box: SecretBox, home: Path) -> None:
        put(database, box, "HF_TOKEN")
        (home / ".finery" / KEY_FILE).unlink()
        with pytest.raises(SecretKeyUnusable, match="is gone"):
            resolve(database, box, "HF_TOKEN")

    def test_optional_ones_are_taken_where_they_are(self, database: Database, box: SecretBox) -> None:
        put(database, box, "NAMED")
        put(database, box, "HF_TOKEN", "hub's")
        with database.read() as session:
            found = secrets.resolve(session, box, ["NAMED"], owner_id=None, optional=["HF_TOKEN", "WANDB_API_KEY"])
        assert found == {"NAMED": VALUE, "HF_TOKEN": "hub's"}

    @pytest.mark.parametrize(
        ("address", "credential"),
        [("WANDB_BASE_URL", "WANDB_API_KEY"), ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD")],
    )
    def test_the_servers_credential_goes_to_no_address_of_a_users(
        self, database: Database, box: SecretBox, ann: str, address: str, credential: str
    ) -> None:
        put(database, box, credential, "server's")
        put(database, box, address, "https://ann.example", owner_id=ann)
        with database.read() as session:
            both = secrets.resolve(session, box, [], owner_id=ann, optional=[address, credential])
            assert both == {address: "https://ann.example"}
            with pytest.raises(ServersCredential, match=f"{credential} is the server's"):
                secrets.resolve(session, box, [credential], owner_id=ann, optional=[address])
        put(database, box, credential, "ann's", owner_id=ann)
        assert resolve(database, box, address, credential, owner_id=ann)[credential] == "ann's"

    def test_a_users_credential_goes_to_the_servers_address(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "WANDB_BASE_URL", "https://ours.example")
        put(database, box, "WANDB_API_KEY", "ann's", owner_id=ann)
        found = resolve(database, box, "WANDB_BASE_URL", "WANDB_API_KEY", owner_id=ann)
        assert found == {"WANDB_BASE_URL": "https://ours.example", "WANDB_API_KEY": "ann's"}

    def test_an_optional_one_that_cannot_be_read_is_told(self, database: Database, box: SecretBox, home: Path) -> None:
        put(database, box, "HF_TOKEN")
        SecretBox(home / "other").encrypt("x")
        with database.read() as session, pytest.raises(SecretUnreadable):
            secrets.resolve(session, SecretBox(home / "other"), [], owner_id=None, optional=["HF_TOKEN"])


class TestRequire:
    def test_existence_is_enough(self, database: Database, box: SecretBox, home: Path, ann: str) -> None:
        put(database, box, "A", owner_id=ann)
        put(database, box, "B")
        (home / ".finery" / KEY_FILE).unlink()
        with database.read() as session:
            secrets.require(session, ["A", "B"], owner_id=ann)
            secrets.require(session, [], owner_id=None)

    def test_names_what_nobody_has(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "A", owner_id=ann)
        with database.read() as session, pytest.raises(SecretsMissing, match="named A, B,") as caught:
            secrets.require(session, ["A", "B"], owner_id=None)
        assert [issue.field for issue in caught.value.issues] == ["config.secrets"]


class TestReadableValues:
    def test_passes_over_what_cannot_be_read(self, database: Database, box: SecretBox, home: Path, ann: str) -> None:
        put(database, SecretBox(home / "other"), "UNREADABLE")
        put(database, box, "A")
        put(database, box, "A", "ann's", owner_id=ann)
        with database.read() as session:
            assert secrets.readable_values(session, box, ["A", "UNREADABLE", "GONE"], owner_id=ann) == ["ann's"]
            (home / ".finery" / KEY_FILE).unlink()
            assert secrets.readable_values(session, box, ["A"], owner_id=ann) == []


class TestListNames:
    def test_ones_own_and_the_servers(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "B")
        put(database, box, "A", owner_id=ann)
        put(database, box, "B", owner_id=ann)
        with database.read() as session:
            listed = [(info.name, info.owner_id) for info in secrets.list_names(session, owner_id=ann)]
            assert sorted(listed, key=str) == sorted([("A", ann), ("B", None), ("B", ann)], key=str)
            assert [info.name for info in secrets.list_names(session, owner_id=None)] == ["B"]


class TestDelete:
    def test_ones_own(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "A")
        put(database, box, "A", owner_id=ann)
        with database.write() as session:
            secrets.delete(session, "A", owner_id=ann)
        for name in ("A", "a\0b", "nothing"):
            with database.write() as session, pytest.raises(SecretNotFound):
                secrets.delete(session, name, owner_id=ann)
        assert resolve(database, box, "A", owner_id=ann) == {"A": VALUE}

    def test_with_their_owner(self, database: Database, box: SecretBox, ann: str) -> None:
        put(database, box, "A", owner_id=ann)
        with database.write() as session:
            accounts.delete_user(session, ann)
        with database.read() as session:
            assert session.scalars(select(SecretRow)).all() == []
