from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.webhooks import FineTuningJobFailedWebhookEvent, FineTuningJobSucceededWebhookEvent

from tests.api.openai.conftest import jsonl
from tests.receiver import Receiver, Reply
from tests.servers import RunningServer

URL = "https://hooks.example.org/"
TYPES = ["fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"]


class TestEndpoints:
    def test_from_creation_to_deletion(self, sdk: OpenAI) -> None:
        made = sdk.webhooks.create(name="팀", url=URL, event_types=["fine_tuning.job.succeeded"])
        assert made.signing_secret.startswith("whsec_")
        assert made.signing_secret_hint == f"whsec_…{made.signing_secret[-4:]}"
        found = sdk.webhooks.retrieve(made.id)
        assert (found.object, found.name, found.url) == ("webhook_endpoint", "팀", URL)
        assert found.event_types == ["fine_tuning.job.succeeded"]
        assert found.updated_at == found.created_at
        changed = sdk.webhooks.update(made.id, name="other", event_types=["fine_tuning.job.failed"])
        assert (changed.name, changed.event_types, changed.url) == ("other", ["fine_tuning.job.failed"], URL)
        gone = sdk.webhooks.delete(made.id)
        assert (gone.id, gone.deleted, gone.object) == (made.id, True, "webhook_endpoint.deleted")
        with pytest.raises(NotFoundError) as refused:
            sdk.webhooks.retrieve(made.id)
        assert refused.value.code == "webhook_not_found"

    def test_pages(self, sdk: OpenAI) -> None:
        ids = [sdk.webhooks.create(name=f"{n}", url=URL, event_types=["fine_tuning.job.failed"]).id for n in range(5)]
        assert [each.id for each in sdk.webhooks.list(limit=2)] == ids[::-1]
        with pytest.raises(BadRequestError) as refused:
            sdk.webhooks.list(after="we_none")
        assert refused.value.param == "after"

    @pytest.mark.parametrize("keep", [True, False])
    def test_another_secret(self, sdk: OpenAI, keep: bool) -> None:
        made = sdk.webhooks.create(name="a", url=URL, event_types=["fine_tuning.job.failed"])
        rotated = sdk.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=keep)
        assert rotated.signing_secret != made.signing_secret
        plain = sdk.webhooks.rotate_secret(made.id)
        assert plain.signing_secret != rotated.signing_secret

    def test_types(self, sdk: OpenAI) -> None:
        assert sdk.webhooks.event_types.list().data == TYPES
        with pytest.raises(BadRequestError, match=r"fine_tuning\.job\.succeeded") as refused:
            sdk.webhooks.create(name="a", url=URL, event_types=["batch.completed"])
        assert refused.value.param == "event_types.0"

    def test_an_address_inside(self, sdk: OpenAI) -> None:
        with pytest.raises(BadRequestError, match="is private") as refused:
            sdk.webhooks.create(name="a", url="https://192.168.1.1/", event_types=["fine_tuning.job.failed"])
        assert refused.value.param == "url"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """A server that sends."""
    home: Path = tmp_path_factory.mktemp("home")
    with (
        RunningServer(home, FINERY_WEBHOOK_ALLOW_PRIVATE="127.0.0.1") as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0, _strict_response_validation=True) as client,
    ):
        yield client


class TestSent:
    @pytest.mark.parametrize("status", [200, 503])
    def test_a_sample(self, live: OpenAI, status: int) -> None:
        with Receiver(Reply(status)) as receiver:
            made = live.webhooks.create(name="a", url=receiver.url, event_types=["fine_tuning.job.failed"])
            result = live.webhooks.test(made.id, event_type="fine_tuning.job.succeeded")
            (received,) = receiver.received
        assert (result.status_code, result.success, result.webhook_endpoint_id) == (status, True, made.id)
        event = live.webhooks.unwrap(received.body, received.headers, secret=made.signing_secret)
        assert isinstance(event, FineTuningJobSucceededWebhookEvent)

    def test_a_sample_that_reaches_nobody(self, live: OpenAI) -> None:
        with Receiver() as receiver:
            made = live.webhooks.create(name="a", url=receiver.url, event_types=["fine_tuning.job.failed"])
        with pytest.raises(BadRequestError, match="refused") as refused:
            live.webhooks.test(made.id, event_type="fine_tuning.job.failed")
        assert refused.value.code == "receiver_unreachable"

    def test_a_job_that_fails(self, live: OpenAI) -> None:
        """Its data are refused, which takes no training."""
        with Receiver() as receiver:
            made = live.webhooks.create(name="a", url=receiver.url, event_types=["fine_tuning.job.failed"])
            file = live.files.create(file=("train.jsonl", jsonl([{"messages": []}])), purpose="fine-tune")
            job = live.fine_tuning.jobs.create(model="finery/tiny-llama", training_file=file.id)
            (received,) = receiver.wait_for(1)
        event = live.webhooks.unwrap(received.body, received.headers, secret=made.signing_secret)
        assert isinstance(event, FineTuningJobFailedWebhookEvent)
        assert event.data.id == job.id
