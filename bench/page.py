"""The page in a real browser: its first load, 20 live curves of 100,000 points, a log of 1 GB, 100,000 runs."""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import insert, select

from bench.logs import PROGRAM as LOG_PROGRAM
from bench.logs import SIZE as LOG_BYTES
from bench.server import Server, running
from bench.tables import median, show
from finery.db import Database
from finery.models import RunRow

TRIES = 5
METRICS = 20
POINTS = 100_000
RUNS = 100_000
LIVE_SECONDS = 10.0
FRAME_MS = 1000 / 60
SCREENS = 40
"""How many times the list of runs is scrolled by a screen."""
CURVES_PROGRAM = f"""
import json, math, os, random, time
names = [f"train/metric_{{n}}" for n in range({METRICS})]
with open(os.environ["FINERY_EVENTS"], "a", buffering=1 << 20) as events:
    for step in range(1, 10**9):
        values = {{name: math.exp(-step / 3e4) + random.random() / 10 for name in names}}
        line = {{"type": "progress", "at": time.time(), "data": {{"step": step, "total_steps": 10**9, **values}}}}
        events.write(json.dumps(line) + "\\n")
        if step >= {POINTS}:
            events.flush()
            time.sleep(0.05)
"""
LONG_TASKS = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "longtask" });
}"""


def main() -> None:
    with running(FINERY_WARM_START="off") as server, server.client() as client, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("FINERY_TEST_BROWSER") or shutil.which("chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        rows = [*first_load(browser, server), *log(browser, server, client), *curves(browser, server, client)]
        rows += long_list(browser, server)
        browser.close()
    show("The page in Chromium, on loopback", ["", "measured", "must reach"], rows)


@contextlib.contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    with contextlib.closing(browser.new_context(viewport={"width": 1440, "height": 900})) as context:
        page = context.new_page()
        page.add_init_script(f"({LONG_TASKS})()")
        page.goto(address)
        yield page


def first_load(browser: Browser, server: Server) -> list[list[object]]:
    paints, sizes, requests, nodes = [], [], [], []
    for _ in range(TRIES):
        with opened(browser, f"{server.url}/ui/") as page:
            page.get_by_role("heading", level=1).wait_for()
            page.wait_for_timeout(1_000)
            paints.append(page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            loaded = page.evaluate(
                "() => performance.getEntriesByType('resource').filter((one) => one.name.includes('/ui/'))"
                ".map((one) => one.encodedBodySize)"
            )
            sizes.append(sum(loaded) / 1000)
            requests.append(len(loaded))
            nodes.append(page.evaluate("() => document.querySelectorAll('*').length"))
    return [
        ["first contentful paint, ms", median(paints), "≤ 1,000"],
        ["files of the first load", median(requests), ""],
        ["their size as sent, kB", median(sizes), "≤ 400"],
        ["DOM nodes of the overview", median(nodes), ""],
    ]


def log(browser: Browser, server: Server, client: httpx.Client) -> list[list[object]]:
    """The log of a run that wrote 1 GB."""
    run_id = start(client, LOG_PROGRAM, str(LOG_BYTES))
    while client.get(f"/api/v1/runs/{run_id}").json()["status"] != "succeeded":
        time.sleep(0.2)
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        with opened(browser, f"{server.url}/ui/runs/{run_id}?tab=log") as page:
            page.get_by_role("log").get_by_text("step 123456").first.wait_for()
            times.append((time.perf_counter() - began) * 1000)
    return [["a log of 1 GB is seen, ms", median(times), "≤ 1,000"]]


def curves(browser: Browser, server: Server, client: httpx.Client) -> list[list[object]]:
    """A live run with 20 metrics of 100,000 points each, and twenty new points a second."""
    run_id = start(client, CURVES_PROGRAM)
    while (client.get(f"/api/v1/runs/{run_id}").json()["progress"]["step"] or 0) < POINTS:
        time.sleep(0.5)
    with opened(browser, f"{server.url}/ui/runs/{run_id}") as page:
        page.locator(".uplot").nth(METRICS - 1).wait_for()
        page.wait_for_timeout(2_000)
        page.evaluate("() => { window.longTasks = []; }")
        browser.start_tracing(page=page, categories=["toplevel", "disabled-by-default-devtools.timeline"])
        page.wait_for_timeout(LIVE_SECONDS * 1000)
        work = frames(json.loads(browser.stop_tracing()))
        longest = max(page.evaluate("() => window.longTasks"), default=0.0)
    client.post(f"/api/v1/runs/{run_id}/cancel")
    return [
        [f"{METRICS} × {POINTS:,} points live: main thread per frame, median, ms", median(work), "≤ 8"],
        ["the same, 95th percentile, ms", sorted(work)[int(len(work) * 0.95)], ""],
        ["longest task, ms (0: none above 50)", longest, "≤ 100"],
    ]


def frames(trace: dict[str, list[dict[str, object]]]) -> list[float]:
    """Returns the work of the page's main thread in each sixtieth of a second, in ms."""
    events = trace["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and dict(event["args"])["name"] == "CrRendererMain"  # type: ignore[call-overload]
    }
    tasks = [
        (float(str(event["ts"])) / 1000, float(str(event["dur"])) / 1000, (event["pid"], event["tid"]))
        for event in events
        if event.get("name") in ("RunTask", "ThreadControllerImpl::RunTask") and "dur" in event
    ]
    of_main = [(start, duration) for start, duration, thread in tasks if thread in mains]
    first = min(start for start, _ in of_main)
    work = [0.0] * (int((max(start for start, _ in of_main) - first) / FRAME_MS) + 1)
    for start_ms, duration in of_main:
        work[int((start_ms - first) / FRAME_MS)] += duration
    return work


def long_list(browser: Browser, server: Server) -> list[list[object]]:
    """100,000 runs, scrolled through."""
    copy_run(server)
    with opened(browser, f"{server.url}/ui/runs") as page:
        page.get_by_role("gridcell", name=f"run {RUNS - 1}", exact=True).wait_for()
        page.mouse.move(700, 600)
        page.evaluate("() => { window.longTasks = []; }")
        for _ in range(SCREENS):
            page.mouse.wheel(0, 800)
            page.wait_for_timeout(50)
        longest = max(page.evaluate("() => window.longTasks"), default=0.0)
        nodes = page.evaluate("() => document.querySelectorAll('*').length")
    return [
        [f"{RUNS:,} runs scrolled: longest task, ms (0: none above 50)", longest, "≤ 100"],
        ["DOM nodes then", nodes, ""],
    ]


def copy_run(server: Server) -> None:
    """Copies a run that ended until there are 100,000."""
    database = Database(f"sqlite:///{server.home / 'training.db'}", home=server.home)
    with database.write() as session:
        table = RunRow.__table__
        one = dict(session.execute(select(table).limit(1)).mappings().one())
        one.pop("number")
        unique = {"client_id": None, "client_key": None, "idempotency_key": None}
        rows = [one | unique | {"id": f"copy{n:08}", "name": f"run {n}"} for n in range(RUNS)]
        session.execute(insert(table), rows)
    database.dispose()


def start(client: httpx.Client, program: str, *arguments: str) -> str:
    body = {"recipe": "command", "config": {"argv": [sys.executable, "-c", program, *arguments]}}
    return str(client.post("/api/v1/runs", json=body).raise_for_status().json()["id"])
