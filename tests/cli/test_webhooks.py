"""`finery webhooks` against a real server that sends."""

import pytest

from tests.cli.command import Finery
from tests.receiver import Receiver, Reply


class TestWebhooks:
    def test_from_creation_to_deletion(self, finery: Finery) -> None:
        made = finery("webhooks", "create", "https://hooks.example.org/", "--name", "팀", "--event", "run.failed")
        webhook_id = made.err.strip().removesuffix(".").rpartition(" ")[2]
        secret = made.out.strip()
        shown = finery("webhooks", "show", webhook_id)
        off = finery("webhooks", "update", webhook_id, "--disable", "--json")
        rotated = finery("webhooks", "rotate", webhook_id)
        listed = finery("webhooks", "list")

        assert secret.startswith("whsec_")
        assert rotated.out.strip() not in ("", secret)
        assert (off.json["enabled"], off.json["name"]) == (False, "팀")
        assert "run.failed" in shown.out
        assert secret not in shown.out + listed.out
        assert "disabled: it was switched off" in next(line for line in listed.out.splitlines() if webhook_id in line)
        assert finery("webhooks", "delete", webhook_id, "--json").json == {"id": webhook_id, "deleted": True}
        assert finery("webhooks", "show", webhook_id).code == 2

    def test_the_beginning_of_an_id_is_enough(self, finery: Finery) -> None:
        first, second = (finery("webhooks", "create", "https://a.example/", "--json").json["id"] for _ in range(2))
        assert finery("webhooks", "show", first[:12], "--json").json["id"] == first
        several = finery("webhooks", "delete", "we_")
        assert (several.code, several.out) == (2, "")
        assert several.err == f"finery: several webhooks begin with 'we_': {second}, {first}; give more of the id\n"
        assert finery("webhooks", "delete", second[:12], "--json").json["id"] == second

    def test_tested_and_replayed(self, finery: Finery) -> None:
        with Receiver(Reply(500, b"oh"), Reply()) as receiver:
            webhook_id = finery("webhooks", "create", receiver.url, "--json").json["id"]
            tested = finery("webhooks", "test", webhook_id)
            (received,) = receiver.received
            replayed = finery("webhooks", "replay", webhook_id[:12], received.id[:12])
            listed = finery("webhooks", "deliveries", webhook_id, "--state", "delivered")

        assert (tested.code, tested.out) == (1, f"Message {received.id} is failed: it answered 500\n")
        assert (replayed.code, replayed.out.split(": ")[0]) == (0, f"Message {received.id} is delivered")
        assert {each.id for each in receiver.received} == {received.id}
        assert listed.out.splitlines()[1].split()[:3] == [received.id, "webhook.test", "delivered"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("create", "http://10.0.0.1/"), "FINERY_WEBHOOK_ALLOW_PRIVATE"),
            (("create", "https://a.example/", "--event", "run.fail"), "did you mean run.failed?"),
            (("update", "we_1"), "nothing is to be changed"),
            (("deliveries", "we_1", "--state", "sent"), "give one of pending"),
            (("test", "we_1"), "there is no webhook 'we_1'"),
        ],
    )
    def test_what_cannot_be(self, finery: Finery, words: tuple[str, ...], said: str) -> None:
        ended = finery("webhooks", *words)

        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err
