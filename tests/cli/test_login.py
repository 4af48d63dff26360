"""From the first administrator to the key of this machine, and its end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.threaded import ThreadedServer
from tests.cli.command import PASSWORD, Ended, Finery, configured
from tests.cli.terminal import Terminal


@pytest.fixture
def logged_in(nobody: Finery) -> Finery:
    """As ada."""
    assert log_in(nobody).code == 0
    return nobody


@pytest.fixture
def remote(home: Path) -> Iterator[ThreadedServer]:
    """Whose first administrator needs the token."""
    with ThreadedServer(home, remote_setup=True) as server:
        yield server


def token_of(server: ThreadedServer) -> str:
    assert server.composition.setup_token is not None
    return server.composition.setup_token


def log_in(finery: Finery, *words: str) -> Ended:
    return finery("login", "--username", "ada", "--password-stdin", *words, input=f"{PASSWORD}\n")


def credentials(finery: Finery) -> Any:
    return json.loads((finery.folder / "config" / "finery" / "credentials.json").read_bytes())["servers"]


class TestSetup:
    def test_creates_the_first_administrator_once(self, home: Path, tmp_path: Path) -> None:
        words = ("setup", "--username", "ada", "--email", "ada@example.org", "--password-stdin")
        with ThreadedServer(home) as server:
            finery = Finery(server.url, tmp_path)
            before = finery("whoami", "--json")
            done = finery(*words, "--json", input=PASSWORD)
            after = finery("whoami", "--json")
            again = finery(*words, input=PASSWORD)

        assert (before.json["is_local"], before.json["user"]) == (True, None)
        assert done.code == 0, done.err
        assert (done.json["user"]["username"], done.json["user"]["levels"]) == ("ada", ["admin"])
        assert after.json["user"]["username"] == "ada"
        assert again.code == 2
        assert "has its first administrator already" in again.err

    def test_over_the_network_the_token_comes_from_stdin(self, remote: ThreadedServer, tmp_path: Path) -> None:
        words = ("setup", "--username", "ada", "--email", "ada@example.org", "--password-stdin")
        finery = Finery(remote.url, tmp_path)
        token = token_of(remote)
        without = finery(*words, input=PASSWORD)
        wrong = finery(*words, "--setup-token-stdin", input=f"guess\n{PASSWORD}")
        on_the_line = finery(*words, "--setup-token", token, input=PASSWORD)
        right = finery(*words, "--setup-token-stdin", "--json", input=f"{token}\n{PASSWORD}")

        assert [ended.code for ended in (without, wrong, on_the_line, right)] == [2, 2, 2, 0]
        assert "give it on stdin, with --setup-token-stdin" in without.err
        assert "setup_token is missing or wrong" in wrong.err
        assert right.json["user"]["username"] == "ada"

    def test_on_a_terminal_the_token_is_asked_for(self, remote: ThreadedServer, tmp_path: Path) -> None:
        words = ("setup", "--username", "ada", "--email", "ada@example.org")
        token = token_of(remote)
        with Terminal(remote.url, *words, **configured(tmp_path)) as terminal:
            for label, text in (("Password", PASSWORD), ("Password again", PASSWORD), ("Setup token", token)):
                terminal.expect(f"{label}: ")
                terminal.type(f"{text}\n")
            terminal.expect("as ada; the key is in")
            assert terminal.ended() == 0
            assert token not in terminal.shown

    def test_a_weak_password_is_refused_by_name(self, finery: Finery) -> None:
        words = ("setup", "--username", "ada", "--email", "ada@example.org", "--password-stdin")
        ended = finery(*words, input="short")

        assert (ended.code, ended.out) == (2, "")
        assert "password" in ended.err


class TestLogin:
    def test_the_key_is_kept_for_this_server_only(self, nobody: Finery) -> None:
        ended = log_in(nobody, "--json")
        stored = credentials(nobody)

        assert ended.code == 0
        assert [*stored] == [nobody.url]
        assert stored[nobody.url]["key"] not in ended.out
        assert ended.json["key"]["name"].startswith("finery login on ")
        assert nobody("whoami").out.splitlines()[1].split() == ["name", "ada"]

    def test_a_day_on_which_the_key_ends(self, nobody: Finery) -> None:
        info = log_in(nobody, "--expires-days", "1", "--json").json["key"]

        assert info["expires_at"][:10] > info["created_at"][:10]

    def test_a_second_login_revokes_the_first_key(self, logged_in: Finery) -> None:
        first = credentials(logged_in)[logged_in.url]["key_id"]
        assert log_in(logged_in).code == 0
        keys = {key["id"]: key for key in logged_in("keys", "list", "--json").json["keys"]}

        assert not keys[first]["is_active"]
        assert keys[credentials(logged_in)[logged_in.url]["key_id"]]["is_active"]

    def test_a_wrong_password(self, nobody: Finery) -> None:
        ended = nobody("login", "-u", "ada", "--password-stdin", input="wrong password")

        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "finery: user name or password is wrong\n"
        assert not (nobody.folder / "config").exists()

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (("login",), "--username: there is no terminal"),
            (("login", "-u", "ada"), "give it on stdin, with --password-stdin"),
            (("login", "-u", "ada", "--password-stdin"), "password: nothing was given"),
        ],
    )
    def test_without_a_terminal(self, nobody: Finery, words: tuple[str, ...], reason: str) -> None:
        ended = nobody(*words)

        assert (ended.code, ended.out) == (2, "")
        assert reason in ended.err

    def test_on_a_terminal_nothing_is_echoed(self, nobody: Finery) -> None:
        assert nobody.url is not None
        with Terminal(nobody.url, "login", **configured(nobody.folder)) as terminal:
            terminal.expect("User name or email: ")
            terminal.type("ADA@example.org\n")
            terminal.expect("Password: ")
            terminal.type(f"{PASSWORD}\n")
            terminal.expect("as ada; the key is in")
            assert terminal.ended() == 0
            assert PASSWORD not in terminal.shown
        assert nobody("whoami").code == 0

    def test_a_file_that_others_can_read_is_refused_before_the_password_is_sent(self, logged_in: Finery) -> None:
        (logged_in.folder / "config" / "finery" / "credentials.json").chmod(0o644)
        for ended in (logged_in("whoami"), log_in(logged_in)):
            assert (ended.code, ended.out) == (2, "")
            assert "chmod 600" in ended.err


class TestLogout:
    def test_the_key_is_revoked_and_forgotten(self, logged_in: Finery) -> None:
        key = credentials(logged_in)[logged_in.url]["key"]
        ended = logged_in("logout")

        assert ended.code == 0
        assert credentials(logged_in) == {}
        assert logged_in("whoami").code == 2
        assert Finery(logged_in.url, logged_in.folder, key)("whoami").code == 2
        assert logged_in("logout").err == f"finery: nobody is logged in at {logged_in.url}\n"

    def test_a_key_that_is_none_any_more_is_forgotten(self, logged_in: Finery) -> None:
        assert logged_in("keys", "revoke", credentials(logged_in)[logged_in.url]["key_id"]).code == 0

        assert logged_in("logout").code == 0
        assert credentials(logged_in) == {}
