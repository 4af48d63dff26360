"""Users, keys, secrets, sharing and the audit log on the command line."""

import dataclasses
import os
from pathlib import Path

import pytest

from finery.client import FineryClient, FineryError
from tests.cli.command import PASSWORD, Finery
from tests.client.scripted import ScriptedServer, error


def logged_in(finery: Finery, username: str, password: str) -> Finery:
    """With a key of that user's, on the same server."""
    with FineryClient(url=finery.url, api_key="") as client:
        client.accounts.log_in(username, password)
        return Finery(finery.url, finery.folder, client.accounts.create_key("tests").key)


class TestRefusals:
    def test_nobody_is_told_to_log_in(self, nobody: Finery) -> None:
        for words in (("runs", "list"), ("whoami",), ("users", "list"), ("secrets", "list", "--json")):
            ended = nobody(*words)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err == (
                "finery: this server asks who you are: log in with `finery login`, or set FINERY_API_KEY\n"
            )

    def test_who_may_not_is_told(self, rosa: Finery) -> None:
        ended = rosa("users", "list")

        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            "finery: you lack the permission 'users:read': only administrators have it; ask one of them\n"
        )

    def test_a_server_for_its_own_machine(self, tmp_path: Path) -> None:
        answer = error("loopback_only", "this server has no accounts yet", status=403)
        with ScriptedServer(answer) as server:
            ended = Finery(server.url, tmp_path)("runs", "list")

        assert ended.code == 2
        assert "`finery setup`" in ended.err


class TestUsers:
    def test_from_creation_to_deletion(self, ada: Finery) -> None:
        words = ("users", "create", "mei", "--email", "mei@example.org", "--display-name", "陈美", "--level", "viewer")
        created = ada(*words, "--password-stdin", "--json", input=f"{PASSWORD}\n")
        listed = ada("users", "list")
        changed = ada("users", "update", "MEI", "--level", "lead", "--display-name", "", "--inactive", "--json")
        shown = ada("users", "show", "mei@example.org")
        deleted = ada("users", "delete", "mei", "--json")

        assert (created.json["levels"], created.json["display_name"]) == (["viewer"], "陈美")
        columns = {line.split()[1]: line for line in listed.out.splitlines()[1:]}
        assert "陈美" in columns["mei"]
        assert (changed.json["levels"], changed.json["display_name"], changed.json["is_active"]) == (
            ["lead"],
            None,
            False,
        )
        assert ["active", "no"] in [line.split() for line in shown.out.splitlines()]
        assert deleted.json == {"id": created.json["id"], "deleted": True}
        assert ada("users", "show", "mei").code == 2

    def test_without_a_password(self, ada: Finery) -> None:
        created = ada("users", "create", "robot", "--email", "robot@example.org", "--no-password", "--json")

        assert (created.json["has_password"], created.json["levels"]) == (False, ["researcher"])
        assert "only keys" in ada("users", "show", "robot").out

    def test_what_cannot_be(self, ada: Finery) -> None:
        nothing = ada("users", "update", "ada")
        both = ada("users", "create", "x1", "--email", "x@example.org", "--no-password", "--password-stdin")

        assert (nothing.code, both.code) == (2, 2)
        assert "nothing is to be changed" in nothing.err
        assert "--no-password" in both.err
        assert ada("users", "create", "x1", "--email", "x@example.org", "--level", "king").code == 2

    def test_passwords(self, ada: Finery) -> None:
        user = ("pia", "--email", "pia@example.org", "--password-stdin")
        assert ada("users", "create", *user, input=f"{PASSWORD}\n").code == 0
        pia = logged_in(ada, "pia", PASSWORD)
        wrong = pia("users", "password", "--password-stdin", input=f"wrong one\n{PASSWORD} 2\n")
        own = pia("users", "password", "--password-stdin", input=f"{PASSWORD}\n{PASSWORD} 2\n")
        kept = pia("whoami")
        theirs = ada("users", "password", "pia", "--password-stdin", "--json", input=f"{PASSWORD} 3\n")

        assert wrong.code == 2
        assert "current password is wrong" in wrong.err
        assert (own.code, kept.code, theirs.json) == (0, 0, {"username": "pia", "changed": True})
        assert pia("whoami").code == 2
        assert logged_in(ada, "pia", f"{PASSWORD} 3")("whoami").code == 0

    def test_two_passwords_that_differ(self, ada: Finery, monkeypatch: pytest.MonkeyPatch) -> None:
        typed = {"New password: ": f"{PASSWORD} 2", "New password again: ": f"{PASSWORD} 3"}
        monkeypatch.setattr("getpass.getpass", typed.__getitem__)
        ended = ada("users", "password", "ada", at_keyboard=True)

        assert (ended.code, ended.out) == (2, "")
        assert "the two passwords differ" in ended.err


class TestKeys:
    def test_a_scoped_key_from_creation_to_revocation(self, ada: Finery) -> None:
        made = ada("keys", "create", "밤새 작업", "--scope", "runs:read", "--scope", "account:self")
        key = made.out.removesuffix("\n")
        scoped = Finery(ada.url, ada.folder, key)
        found = next(each for each in ada("keys", "list", "--json").json["keys"] if each["name"] == "밤새 작업")

        assert "\n" not in key
        assert found["id"] in made.err
        assert sorted(found["scoped_permissions"]) == ["account:self", "runs:read"]
        assert "allows less" in scoped("whoami").out
        assert scoped("runs", "list").code == 0
        assert scoped("users", "list").code == 2
        assert ada("keys", "revoke", found["id"][:12]).out == f"Key {found['id']} is revoked\n"
        assert scoped("runs", "list").code == 2
        assert "revoked" in next(line for line in ada("keys", "list").out.splitlines() if found["id"] in line)

    def test_another_users(self, ada: Finery, rosa: Finery) -> None:
        made = rosa("keys", "create", "lost", "--json").json
        listed = ada("keys", "list", "--user", "rosa", "--json").json["keys"]
        refused = rosa("keys", "list", "--user", "ada")
        revoked = ada("keys", "revoke", "--user", "ROSA@example.org", made["info"]["id"])

        assert made["info"]["id"] in [key["id"] for key in listed]
        assert refused.code == 2
        assert "users:read" in refused.err
        assert revoked.out == f"Key {made['info']['id']} is revoked\n"
        assert Finery(ada.url, ada.folder, made["key"])("whoami").code == 2
        assert ada("keys", "list", "--user", "nobody").code == 2

    def test_as_json_there_is_the_key_and_what_is_known_of_it(self, ada: Finery) -> None:
        made = ada("keys", "create", "ci", "--expires-days", "3", "--json").json

        assert made["key"].startswith(made["info"]["prefix"])
        assert made["info"]["scoped_permissions"] is None

    def test_a_scope_that_does_not_exist(self, ada: Finery) -> None:
        ended = ada("keys", "create", "ci", "--scope", "runs:raed")

        assert (ended.code, ended.out) == (2, "")
        assert "runs:read" in ended.err


class TestSecrets:
    def test_set_used_and_deleted(self, ada: Finery) -> None:
        stored = ada("secrets", "set", "HUB_TOKEN", input="hf_abcdefgh\n")
        again = ada("secrets", "set", "HUB_TOKEN", "--server", "--json", input="한국어 비밀번호\n두 줄\n")
        listed = ada("secrets", "list")

        assert (stored.code, again.code) == (0, 0)
        assert again.json["owner_id"] is None
        assert [line.split()[:2] for line in listed.out.splitlines()[1:]] in (
            [["HUB_TOKEN", "mine"], ["HUB_TOKEN", "server"]],
            [["HUB_TOKEN", "server"], ["HUB_TOKEN", "mine"]],
        )
        assert "hf_abcdefgh" not in listed.out + stored.out
        for words in ((), ("--server",)):
            assert ada("secrets", "delete", "HUB_TOKEN", *words, "--json").json["deleted"] is True
        assert ada("secrets", "list").out.startswith("No secrets.")

    def test_nothing_is_no_value(self, ada: Finery) -> None:
        assert ada("secrets", "set", "EMPTY").code == 2

    def test_only_administrators_set_the_servers(self, rosa: Finery) -> None:
        ended = rosa("secrets", "set", "TOKEN", "--server", input="hf_abcdefgh")

        assert ended.code == 2
        assert "secrets:all" in ended.err


class TestSharing:
    def test_a_shared_run_is_seen_by_others(self, ada: Finery, rosa: Finery) -> None:
        run_id = ada("train", "command", 'argv=["true"]', "--detach").out.strip()
        shared = ada("train", "command", 'argv=["true"]', "--shared", "--detach").out.strip()

        assert rosa("runs", "show", run_id).code == 2
        assert rosa("runs", "show", shared).code == 0
        assert ada("runs", "share", run_id).out == f"Run {run_id} is shared\n"
        assert rosa("runs", "show", run_id).code == 0
        assert ada("runs", "unshare", run_id, "--json").json["id"] == run_id
        assert rosa("runs", "show", run_id).code == 2

    def test_what_is_not_there(self, ada: Finery) -> None:
        assert ada("runs", "share", "nosuch").code == 2
        assert ada("deployments", "share", "nosuch").code == 2
        assert ada("deployments", "unshare", "nosuch").code == 2


class TestDoctor:
    def test_a_wrong_key_is_no_fault_of_the_database(self, ada: Finery) -> None:
        ended = dataclasses.replace(ada, key="st_wrong")("doctor")
        line = next(line for line in ended.out.splitlines() if " login " in line)
        assert line.startswith("note ")
        assert "finery login" in ended.out
        assert " database " not in ended.out


class TestAudit:
    def test_who_did_what(self, ada: Finery, rosa: Finery) -> None:
        assert rosa("users", "list").code == 2
        entries = ada("audit", "list", "--user", "rosa", "--json").json["entries"]
        denied = ada("audit", "list", "--user", "rosa", "--result", "denied", "-n", "1")

        assert {entry["user_name"] for entry in entries} == {"rosa"}
        assert "rosa" in denied.out
        assert ada("audit", "list", "--user", "rosa", "--result", "denied", "-n", "1", "--wide").out == denied.out
        assert entries[0]["at"][:10] == denied.out.splitlines()[-1].split()[0]
        assert ada("audit", "list", "--until", "2020-01-01").out == "Nothing was done.\n"
        assert rosa("audit", "list").code == 2

    def test_what_was_changed_and_which_name_was_tried(self, ada: Finery) -> None:
        ada("users", "create", "finn", "--email", "finn@example.org", "--no-password")
        assert ada("users", "update", "finn", "--level", "lead").code == 0
        with FineryClient(url=ada.url, api_key="") as client, pytest.raises(FineryError):
            client.accounts.log_in("finn\u202e", "a wrong one")
        changed = ada("audit", "list", "--action", "update_user", "-n", "1").out.splitlines()[-1]
        failed = ada("audit", "list", "--action", "login", "--result", "failed", "-n", "1").out.splitlines()[-1]

        assert " ada " in changed
        assert " finn " in changed
        assert changed.endswith("levels: researcher → lead")
        assert failed.endswith("tried the name finn\\u202e")

    def test_export(self, ada: Finery) -> None:
        ada("users", "create", "ines", "--email", "ines@example.org", "--no-password")
        printed = ada("audit", "export", "--since", "2020-01-01").json_lines
        written = ada("audit", "export", "-o", "record.jsonl", "--json").json
        file = ada.folder / "record.jsonl"

        assert len({entry["id"] for entry in printed}) == len(printed) > 0
        assert written["entries"] == len(file.read_text().splitlines()) >= len(printed)
        assert os.stat(file).st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("words", [("--result", "fine"), ("--since", "yesterday")])
    def test_what_cannot_be_asked(self, ada: Finery, words: tuple[str, ...]) -> None:
        ended = ada("audit", "list", *words)

        assert ended.code == 2
        assert ended.err.startswith(f"finery: {words[0]}: '{words[1]}'")
