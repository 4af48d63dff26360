"""All pages by name: the address below `/ui/`, and what is seen when the page is whole."""

from collections.abc import Callable

from tests.web.browser.house import MODEL, House

Address = Callable[[House], str]

PAGES: dict[str, Address] = {
    "overview": lambda house: "",
    "runs": lambda house: f"runs?recipe={house.trained['recipe']}",
    "runs, some selected": lambda house: f"runs?columns=loss&status=succeeded&selected={house.trained['uid']}",
    "compare": lambda house: f"compare?run={house.trained['uid']}&run={house.slower['uid']}",
    "compare by a setting": lambda house: f"compare?run={house.trained['uid']}&run={house.slower['uid']}&group=seed",
    "run": lambda house: f"runs/{house.trained['id']}",
    "run's log": lambda house: f"runs/{house.failed['id']}?tab=log",
    "run's curves in numbers": lambda house: f"runs/{house.trained['id']}?table=true&x=tokens&smoothing=0.5",
    "run's samples": lambda house: f"runs/{house.trained['id']}?tab=samples",
    "run's results": lambda house: f"runs/{house.trained['id']}?tab=results",
    "run's log, searched": lambda house: f"runs/{house.trained['id']}?tab=log&q=step",
    "run's audit": lambda house: f"runs/{house.trained['id']}?tab=audit",
    "run's events": lambda house: f"runs/{house.trained['id']}?tab=events",
    "run's configuration": lambda house: f"runs/{house.trained['id']}?tab=configuration",
    "datasets": lambda house: f"datasets?search={house.dataset and 'parcels'}",
    "dataset": lambda house: f"datasets/{house.dataset_id}",
    "dataset's statistics": lambda house: f"datasets/{house.dataset_id}?tab=statistics",
    "dataset's check": lambda house: f"datasets/{house.dataset_id}?tab=check",
    "dataset's versions": lambda house: f"datasets/{house.dataset_id}?tab=versions&old=1",
    "dataset's runs": lambda house: f"datasets/{house.trained and house.dataset_id}?tab=runs",
    "models": lambda house: f"models?search={house.trained and ''}",
    "deployments": lambda house: f"models?tab=deployments&search={house.served and ''}",
    "model": lambda house: f"models/named/{house.served and house.trained['output_dir']}",
    "playground": lambda house: "playground?other=finery/tiny-qwen&logprobs=true",
    "new run": lambda house: "new?recipe=grpo",
    "new run's preview": lambda house: f"new?recipe=sft&model={MODEL}&data={house.dataset}",
    "sweeps": lambda house: f"sweeps?{house.sweep['recipe']}",
    "sweep": lambda house: f"sweeps/{house.sweep['id']}",
    "queue": lambda house: "queue",
    "tour": lambda house: "tour",
    "tour, trained": lambda house: f"tour?run={house.trained['id']}",
    "account": lambda house: "admin",
    "secrets": lambda house: "admin?tab=secrets",
    "webhooks": lambda house: "admin?tab=webhooks",
    "audit log": lambda house: "admin?tab=audit",
    "settings": lambda house: "admin?tab=settings",
    "health": lambda house: "admin?tab=health",
    "not found": lambda house: "nowhere",
}
