import base64

from openai import OpenAI

from finery.domain import webhooks
from finery.domain.webhooks.signing import generate_secret, hint_of


class TestDrawSecret:
    def test_is_random_and_long(self) -> None:
        drawn = {generate_secret() for _ in range(100)}
        assert len(drawn) == 100
        assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in drawn} == {32}

    def test_the_hint_keeps_all_but_four_characters(self) -> None:
        secret = generate_secret()
        assert hint_of(secret) == f"whsec_…{secret[-4:]}"


class TestSign:
    def test_a_known_signature(self) -> None:
        """The example of the Standard Webhooks specification."""
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        body = b'{"test": 2432232314}'
        signed = webhooks.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_during_a_rotation_either_secret_verifies(self) -> None:
        old, new, body = generate_secret(), generate_secret(), '{"이름": "값"}'.encode()
        import time

        stamp = int(time.time())
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(stamp),
            "webhook-signature": webhooks.signature_header([new, old], "msg_1", stamp, body),
        }
        with OpenAI(api_key="none") as client:
            for secret in (old, new):
                client.webhooks.verify_signature(body, headers, secret=secret)
