"""The reference library of Standard Webhooks verifies what our server sends when a job is cancelled."""

import json
import os
import queue
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

from standardwebhooks import Webhook, WebhookVerificationError

API, BASE, TRAINING_FILE = (os.environ[name] for name in ("OPENAI_BASE_URL", "BASE", "TRAINING_FILE"))
CANCELLED = "fine_tuning.job.cancelled"
WAIT_SECONDS = 120
messages: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        messages.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()


def main() -> None:
    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    endpoint = post("/webhook_endpoints", {"name": "check", "url": url, "event_types": [CANCELLED]})
    job = post("/fine_tuning/jobs", {"model": BASE, "training_file": TRAINING_FILE})
    post(f"/fine_tuning/jobs/{job['id']}/cancel")
    headers, body = messages.get(timeout=WAIT_SECONDS)

    webhook = Webhook(endpoint["signing_secret"])
    event = webhook.verify(body, headers)
    assert (event["type"], event["data"]["id"]) == (CANCELLED, job["id"])
    refused(webhook, body.replace(b"cancelled", b"succeeded"), headers)
    refused(Webhook("whsec_" + "A" * 32), body, headers)

    rotated = post(f"/webhook_endpoints/{endpoint['id']}/rotate_secret", {"keep_old_secret_active_for_24_hours": True})
    post(f"/webhook_endpoints/{endpoint['id']}/test", {"event_type": CANCELLED})
    headers, body = messages.get(timeout=WAIT_SECONDS)
    assert webhook.verify(body, headers) == Webhook(rotated["signing_secret"]).verify(body, headers)


def refused(webhook: Webhook, body: bytes, headers: dict[str, str]) -> None:
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return
    raise AssertionError("a message that was not signed so was taken")


def post(path: str, body: dict | None = None) -> dict:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(API + path, data=data, headers=headers, method="POST")) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
