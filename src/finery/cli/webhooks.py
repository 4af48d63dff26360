"""`finery webhooks`: create, change, test and delete webhooks, and look at their deliveries."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.ids import id_of
from finery.cli.output import JsonOption, WideOption, YesOption, age, confirm, print_facts, print_json, print_table
from finery.cli.session import fail, server

if TYPE_CHECKING:
    from finery.client import FineryClient
    from finery.contracts.webhooks import Delivery, Webhook

app = typer.Typer(help="Tell an address of yours what happens to runs.", no_args_is_help=True)

DELIVERY_SECONDS = 30.0
POLL_SECONDS = 0.2
LARGEST_PAGE = 200

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id, or its beginning.", show_default=False)]
MessageId = Annotated[
    str, typer.Argument(metavar="MESSAGE", help="The delivery's id, or its beginning.", show_default=False)
]
EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", help="An event's type, as in run.failed; may be repeated. Default: a run's end."),
]
NameOption = Annotated[str | None, typer.Option("--name", help="What it is called. Default: the address's host.")]


@app.command("list")
def list_webhooks(wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List your webhooks, newest first."""
    with server() as client:
        webhooks = client.webhooks.list()
    columns, empty = ("ID", "NAME", "URL", "EVENTS", "STATE"), "No webhooks. `finery webhooks create URL` makes one."
    rows = ((each.id, each.name, each.url, ", ".join(each.event_types), _state(each)) for each in webhooks)
    print_json({"webhooks": webhooks}) if as_json else print_table(columns, rows, empty=empty, wide=wide)


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where messages are posted to.", show_default=False)],
    event: EventOption = None,
    name: NameOption = None,
    everyones: Annotated[bool, typer.Option("--all", help="Of everyone's runs, not only of yours.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a webhook, and print its signing secret: this once, and alone on stdout."""
    with server() as client:
        from finery.contracts.webhooks import WebhookScope

        scope = WebhookScope.ALL if everyones else WebhookScope.MINE
        webhook = client.webhooks.create(url, name=name, event_types=event, scope=scope)
    if as_json:
        print_json(webhook)
        return
    print(webhook.secret)
    print(f"This secret is shown once. The webhook's id is {webhook.id}.", file=sys.stderr)


@app.command()
def show(webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Show a webhook."""
    with server() as client:
        webhook = client.webhooks.get(_id_of(client, webhook_id))
    facts = {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": ", ".join(webhook.event_types),
        "runs": "everyone's" if webhook.scope == "all" else "mine",
        "state": _state(webhook),
        "secret": webhook.secret_hint,
        "created": age(webhook.created_at),
    }
    print_json(webhook) if as_json else print_facts(facts)


@app.command()
def update(
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option("--url", help="Another address.")] = None,
    event: EventOption = None,
    name: NameOption = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is told anything.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given."""
    if url is None and event is None and name is None and enabled is None:
        fail("nothing is to be changed: give --url, --event, --name, --enable or --disable")
    with server() as client:
        webhook = client.webhooks.update(
            _id_of(client, webhook_id), url=url, event_types=event, name=name, enabled=enabled
        )
    print_json(webhook) if as_json else print(f"Webhook {webhook.id} is {_state(webhook)}")


@app.command()
def rotate(
    webhook_id: WebhookId,
    at_once: Annotated[bool, typer.Option("--at-once", help="The old secret signs nothing more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Draw another signing secret, and print it. For a day messages are signed with both."""
    with server() as client:
        webhook = client.webhooks.rotate_secret(_id_of(client, webhook_id), keep_old=not at_once)
    if as_json:
        print_json(webhook)
        return
    print(webhook.secret)
    print("This secret is shown once.", file=sys.stderr)


@app.command()
def delete(webhook_id: WebhookId, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete a webhook, and all that was to be sent to it."""
    with server() as client:
        webhook_id = _id_of(client, webhook_id)
        confirm(f"Delete webhook {webhook_id}, and all that was to be sent to it?", yes=yes, as_json=as_json)
        client.webhooks.delete(webhook_id)
    print_json({"id": webhook_id, "deleted": True}) if as_json else print(f"Webhook {webhook_id} is deleted")


@app.command("test")
def send_test(webhook_id: WebhookId, as_json: JsonOption = False) -> None:
    """Send a test message, and tell what the receiver answers."""
    with server() as client:
        webhook_id = _id_of(client, webhook_id)
        _report_attempt(client, webhook_id, client.webhooks.test(webhook_id), attempts=1, as_json=as_json)


@app.command()
def replay(webhook_id: WebhookId, message_id: MessageId, as_json: JsonOption = False) -> None:
    """Send a message again, and tell what the receiver answers."""
    with server() as client:
        webhook_id = _id_of(client, webhook_id)
        delivery = client.webhooks.replay(webhook_id, _message_id_of(client, webhook_id, message_id))
        _report_attempt(client, webhook_id, delivery, attempts=len(delivery.attempts) + 1, as_json=as_json)


@app.command()
def deliveries(
    webhook_id: WebhookId,
    state: Annotated[
        str | None, typer.Option("--state", help="Only these: pending, delivered, failed or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=LARGEST_PAGE, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="next_cursor of the page before.")] = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what was sent, newest first."""
    from finery.contracts.webhooks import MessageState

    if state is not None and state not in [*MessageState]:
        fail(f"--state: {state!r} is none: give one of {', '.join(MessageState)}")
    wanted = MessageState(state) if state else None
    with server() as client:
        webhook_id = _id_of(client, webhook_id)
        page = client.webhooks.deliveries(webhook_id, state=wanted, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    columns = ("ID", "EVENT", "STATE", "CREATED", "ATTEMPTS", "LAST ANSWER")
    print_table(columns, map(_row, page.deliveries), empty="Nothing was sent.", wide=wide)
    if page.next_cursor:
        print(f"More: finery webhooks deliveries {webhook_id} --cursor {page.next_cursor}", file=sys.stderr)


def _id_of(client: "FineryClient", text: str) -> str:
    return id_of("webhook", text, (each.id for each in client.webhooks.list()))


def _message_id_of(client: "FineryClient", webhook_id: str, text: str) -> str:
    """Looks among the newest deliveries; an older one is named by its whole id."""
    newest = client.webhooks.deliveries(webhook_id, limit=LARGEST_PAGE).deliveries
    return id_of("delivery", text, (each.id for each in newest))


def _report_attempt(
    client: "FineryClient", webhook_id: str, delivery: "Delivery", *, attempts: int, as_json: bool
) -> None:
    """Waits until so many attempts have ended, and prints the delivery. The exit code is 1 if it failed."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while sum(attempt.has_ended for attempt in delivery.attempts) < attempts and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        delivery = client.webhooks.delivery(webhook_id, delivery.id)
    if as_json:
        print_json(delivery)
    else:
        print(f"Message {delivery.id} is {delivery.state}: {_last_answer(delivery)}")
    if delivery.state != "delivered":
        raise typer.Exit(1)


def _row(delivery: "Delivery") -> tuple[str, ...]:
    count = str(len(delivery.attempts))
    return (delivery.id, delivery.type, delivery.state, age(delivery.created_at), count, _last_answer(delivery))


def _last_answer(delivery: "Delivery") -> str:
    if not delivery.attempts:
        return "not sent yet"
    attempt = delivery.attempts[-1]
    if not attempt.has_ended:
        return "under way"
    return attempt.error or f"{attempt.status_code} after {attempt.milliseconds} ms"


def _state(webhook: "Webhook") -> str:
    return "enabled" if webhook.enabled else f"disabled: {webhook.disabled_reason}"
