"""Every command as a person or a script runs it: what is on stdout and stderr, and the exit code."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finery import __version__
from finery.cli import doctor_checks
from finery.client import FineryClient
from finery.contracts.run import Run
from finery.contracts.status import RunStatus
from tests.cli.command import PROGRAM, Finery, environment
from tests.ports import free_port
from tests.servers import RunningServer


def argv(script: str) -> str:
    return f"argv={json.dumps(['sh', '-c', script])}"


@pytest.fixture(scope="module")
def succeeded(live: RunningServer) -> Run:
    with FineryClient(url=live.url) as client:
        argv = ["sh", "-c", "echo 一; echo two"]
        return client.wait(client.create_run("command", {"argv": argv}, name="미세").id, timeout=30)


@pytest.fixture(scope="module")
def failed(live: RunningServer) -> Run:
    with FineryClient(url=live.url) as client:
        return client.wait(client.create_run("command", {"argv": ["false"]}).id, timeout=30)


def started(api: FineryClient, script: str) -> Run:
    """A run whose process lives."""
    run = api.create_run("command", {"argv": ["sh", "-c", script]})
    while api.get_run(run.id).status is not RunStatus.RUNNING:
        time.sleep(0.05)
    return run


class TestMain:
    def test_version(self, alone: Finery) -> None:
        for ended in (alone("--version"), alone.apart("--version")):
            assert (ended.code, ended.out, ended.err) == (0, f"finery {__version__}\n", "")

    def test_help_loads_nothing_heavy(self) -> None:
        program = (
            "import sys, finery.cli.commands; print(sorted({'httpx', 'pydantic', 'yaml', 'rich'} & {*sys.modules}))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())

        assert done.stdout == "[]\n"

    @pytest.mark.parametrize("url", ["localhost:8001", "http://[bad", "http://", "http://x:99999", "ftp://x"])
    @pytest.mark.parametrize("words", [("runs", "list"), ("doctor",)])
    def test_what_is_no_address(self, tmp_path: Path, url: str, words: tuple[str, ...]) -> None:
        ended = Finery(url, tmp_path)(*words)

        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"finery: FINERY_URL: {url!r} is no address")

    def test_a_terminal_that_knows_ascii_only(self, finery: Finery, succeeded: Run) -> None:
        ended = finery("runs", "list", encoding="ascii")

        assert ended.code == 0
        assert "\\ubbf8\\uc138" in ended.out

    def test_completion(self, alone: Finery) -> None:
        asked = {"_FINERY_COMPLETE": "complete_bash", "COMP_WORDS": "finery runs mon", "COMP_CWORD": "2"}

        assert alone(variables=asked).out.strip() == "monitor"

    @pytest.mark.parametrize("words", [("trian",), ("runs", "show"), ("runs", "list", "--limit", "0"), ("--nosuch",)])
    def test_wrong_usage(self, alone: Finery, words: tuple[str, ...]) -> None:
        assert alone(*words).code == 2

    @pytest.mark.parametrize(
        "words",
        [
            ("train", "sft"),
            ("runs", "list"),
            ("runs", "show", "x"),
            ("runs", "logs", "x"),
            ("runs", "logs", "x", "-f"),
            ("runs", "events", "x", "-f"),
            ("runs", "monitor", "x"),
            ("runs", "wait", "x"),
            ("runs", "cancel", "x", "--json"),
            ("models", "list"),
            ("deployments", "list"),
            ("chat", "finery/tiny-llama", "--prompt", "Hello"),
        ],
    )
    def test_no_server(self, alone: Finery, words: tuple[str, ...]) -> None:
        ended = alone(*words)

        assert ended.code == 3
        assert ended.out == ""
        assert ended.err.startswith("finery: no Finery server answers at http://127.0.0.1:")
        assert ended.err.count("\n") == 1
        assert "`finery server`" in ended.err


class TestTrain:
    def test_follows_to_the_end(self, finery: Finery) -> None:
        ended = finery("train", "command", argv("echo hello"), "--name", "greeting")

        assert ended.code == 0
        assert "running" in ended.out
        assert "succeeded (completed)" in ended.out

    def test_json_is_the_run_at_its_end(self, finery: Finery) -> None:
        ended = finery("train", "command", argv("true"), "--label", "team=search", "--priority", "2", "--json")

        assert ended.code == 0
        assert (ended.json["status"], ended.json["labels"], ended.json["priority"]) == (
            "succeeded",
            {"team": "search"},
            2,
        )

    def test_failure_is_told(self, finery: Finery) -> None:
        ended = finery("train", "command", argv("exit 7"))

        assert ended.code == 1
        assert "failed" in ended.err
        assert "finery runs logs" in ended.err

    def test_detached(self, finery: Finery, api: FineryClient) -> None:
        ended = finery("train", "command", argv("true"), "-d")

        assert ended.code == 0
        assert api.get_run(ended.out.strip()).recipe == "command"

    def test_config_file(self, finery: Finery) -> None:
        (finery.folder / "run.yaml").write_text("argv: [sh, -c, 'exit 1']\nenvironment: {WORD: 你好}\n")
        ended = finery("train", "command", "--config", "run.yaml", argv("test $WORD = 你好"), "--json")

        assert ended.code == 0
        assert ended.json["requested"]["environment"] == {"WORD": "你好"}

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (("nosuch",), "recipe: unknown recipe 'nosuch'"),
            (("stf",), "did you mean 'sft'?"),
            (("command", "argv=[]"), "argv: "),
            (("command", 'argv=["true"]', "enviroment={}"), "did you mean 'environment'?"),
            (("command", "true"), "'true' is no setting: write key=value"),
            (("command", 'argv=["true"]', "--gpus", "999"), "999 GPUs were asked for"),
            (("command", 'argv=["true"]', "--label", "x"), "--label: 'x' is no label"),
            (("sft", "--config", "nosuch.yaml"), "nosuch.yaml: cannot be read"),
            (("sft", "--data", "nosuch.jsonl"), "--data: nosuch.jsonl is no file"),
            (("sft", "model_name=finery/tiny-llama", "dataset_path=nosuch.json"), "nosuch.json"),
        ],
    )
    def test_refused(self, finery: Finery, words: tuple[str, ...], reason: str) -> None:
        ended = finery("train", *words)

        assert ended.code == 2
        assert ended.out == ""
        assert reason in ended.err
        assert ended.err.count("\n") == 1

    def test_a_local_file_is_uploaded(self, finery: Finery) -> None:
        (finery.folder / "mine.jsonl").write_text('{"prompt": "a", "nonsense": "b"}\n')
        ended = finery("train", "sft", "model_name=finery/tiny-llama", "--data", "mine.jsonl")

        assert ended.code == 2
        assert "line 1" in ended.err

    def test_an_interrupt_without_a_terminal_detaches(self, live: RunningServer, api: FineryClient) -> None:
        process = subprocess.Popen(
            [*PROGRAM, "train", "command", argv("sleep 60")],
            env=environment(live.url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        while "running" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        (run,) = api.list_runs(status=RunStatus.RUNNING).runs

        assert process.returncode == 130
        assert f"finery runs monitor {run.id}" in err


class TestQueuedRun:
    def test_where_it_stands_and_what_it_waits_for(self, ada: Finery) -> None:
        argv = 'argv=["true"]'
        first, second = (ada("train", "command", argv, "-d", "--label", "my_key=a_b").out.strip() for _ in range(2))
        shown = [ada("runs", "show", run_id).out for run_id in (first, second)]
        # Runs of other tests may stand before them.
        (place, length), (next_place, next_length) = (
            map(int, found.groups())
            for found in (re.search(r"^queue +(\d+) of (\d+): ", out, re.MULTILINE) for out in shown)
            if found
        )
        assert (next_place, next_length, length) == (place + 1, length, next_place)
        assert f"{next_place} of {length}: the runs before it come first" in shown[1]
        assert "my_key=a_b" in shown[0]
        assert "my_key=a_b" in ada("runs", "list", "--wide").out
        for run_id in (first, second):
            ada("runs", "cancel", run_id)
        assert "queue" not in ada("runs", "show", first).out


class TestRuns:
    def test_list(self, finery: Finery, api: FineryClient) -> None:
        run = api.create_run("command", {"argv": ["true"]}, name="미세 조정", labels={"k": "v"})
        api.wait(run.id, timeout=30)
        shown = finery("runs", "list", "--label", "k=v")
        listed = finery("runs", "list", "--status", "succeeded", "--recipe", "command", "-n", "1", "--json")

        assert (shown.code, listed.code) == (0, 0)
        assert [line.split()[0] for line in shown.out.splitlines()] == ["ID", run.id]
        assert "미세 조정" in shown.out
        assert listed.json["runs"][0]["id"] == run.id
        assert finery("runs", "list", "--label", "k").code == 2
        assert finery("runs", "list", "--status", "done").code == 2

    def test_show(self, finery: Finery, failed: Run) -> None:
        shown = finery("runs", "show", failed.id)

        assert shown.code == 0
        assert "failed (error)" in shown.out
        assert '{"argv": ["false"]}' in shown.out
        assert finery("runs", "show", failed.id, "--json").json["id"] == failed.id

    def test_the_beginning_of_an_id_is_enough(self, finery: Finery, api: FineryClient) -> None:
        first, second = (api.create_run("command", {"argv": ["sleep", "60"]}, run_id=f"zug-{n}") for n in (1, 2))
        assert finery("runs", "show", "zug-1", "--json").json["uid"] == first.uid
        assert finery("runs", "cancel", second.uid[:7]).out.startswith("Run zug-2 is ")
        several = finery("runs", "cancel", "zug")
        assert (several.code, several.out) == (2, "")
        assert several.err == "finery: several runs begin with 'zug': zug-2, zug-1; give more of the id\n"
        for words in ("cancel", "wait", "show", "logs", "events", "delete"):
            assert finery("runs", words, "zug-1"[:5]).code != 3
            assert "there is no run" in finery("runs", words, "").err + finery("runs", words, "nosuch").err

    def test_unknown(self, finery: Finery) -> None:
        ended = finery("runs", "show", "nosuch")

        assert (ended.code, ended.out, ended.err) == (2, "", "finery: there is no run 'nosuch'\n")

    def test_export(self, finery: Finery, succeeded: Run, tmp_path: Path) -> None:
        target = tmp_path / "run.html"
        assert finery("runs", "export", succeeded.uid, "-o", str(target)).out.strip() == str(target)
        assert target.read_text().startswith("<!doctype html>")
        assert "is there already" in finery("runs", "export", succeeded.uid, "-o", str(target)).err
        assert finery("runs", "export", succeeded.uid, "-o", str(target), "--force").code == 0

    def test_logs(self, finery: Finery, succeeded: Run) -> None:
        assert "一\ntwo\n" in finery("runs", "logs", succeeded.id).out
        assert "two" in finery("runs", "logs", succeeded.id, "--tail", "2", "--json").json["lines"]
        assert "一\ntwo\n" in finery("runs", "logs", succeeded.id, "-f", "--tail", "0").out
        assert {"line": "two"} in finery("runs", "logs", succeeded.id, "-f", "--json").json_lines

    def test_a_log_that_grows(self, finery: Finery, api: FineryClient) -> None:
        run = started(api, "for i in 1 2 3; do echo line $i; sleep 0.4; done")
        lines = finery("runs", "logs", run.id, "-f").out.splitlines()

        assert [line for line in lines if line.startswith("line")] == ["line 1", "line 2", "line 3"]

    def test_events(self, finery: Finery, api: FineryClient) -> None:
        run = api.create_run("command", {"argv": ["true"]})
        followed = finery("runs", "events", run.id, "-f", "--json").json_lines
        stored = finery("runs", "events", run.id, "--json").json["events"]

        assert followed == stored
        assert [event["sequence"] for event in stored] == list(range(1, len(stored) + 1))
        assert len(finery("runs", "events", run.id, "--after", "1").out.splitlines()) == len(stored) - 1

    def test_cancel_and_delete(self, finery: Finery, api: FineryClient) -> None:
        run = started(api, "sleep 60")
        early = finery("runs", "delete", run.id)
        asked = finery("runs", "cancel", run.id)
        waited = finery("runs", "wait", run.id)
        again = finery("runs", "cancel", run.id)
        kept = finery("runs", "delete", run.id, input="n\n", at_keyboard=True)
        deleted = finery("runs", "delete", run.id, "--json")

        assert (early.code, asked.code, waited.code, again.code, deleted.code) == (2, 0, 4, 2, 0)
        assert "cancel it first" in early.err
        assert (kept.code, "its output stays in" in kept.out + kept.err) == (1, True)
        assert deleted.json == {"id": run.id, "deleted": True, "output_dir": run.output_dir}
        assert finery("runs", "show", run.id).code == 2

    @pytest.mark.parametrize("words", ["webhooks delete x", "secrets delete x", "keys revoke x", "users delete x"])
    def test_what_cannot_be_undone_is_asked(self, ada: Finery, words: str) -> None:
        refused = ada(*words.split(), input="n\n", at_keyboard=True)
        assert (refused.code, "Aborted" in refused.err) == (1, True)
        assert ada(*words.split(), "--yes", input="n\n", at_keyboard=True).code == 2, "there is none"

    def test_stop(self, finery: Finery, api: FineryClient) -> None:
        run = started(api, "sleep 60")

        assert finery("runs", "stop", run.id, "--json").json["id"] == run.id
        assert finery("runs", "wait", run.id).code in (0, 4)

    @pytest.mark.parametrize("word", ["pause", "checkpoint", "stop", "cancel"])
    def test_too_late(self, finery: Finery, succeeded: Run, word: str) -> None:
        ended = finery("runs", word, succeeded.id)

        assert ended.code == 2
        assert ended.err == f"finery: run {succeeded.id!r} has already ended: succeeded\n"

    def test_a_command_is_not_resumed(self, finery: Finery, succeeded: Run) -> None:
        refused = finery("runs", "resume", succeeded.id)

        assert refused.code == 2
        assert "submit it again instead" in refused.err

    def test_wait(self, finery: Finery, api: FineryClient) -> None:
        run = started(api, "sleep 60")
        early = finery("runs", "wait", run.id, "--timeout", "0.1")

        assert early.code == 124
        assert "still running" in early.err

    def test_monitor(self, finery: Finery, api: FineryClient) -> None:
        run = api.create_run("command", {"argv": ["false"]})

        assert finery("runs", "monitor", run.id).code == 1
        assert finery("runs", "monitor", run.id, "--json").json["status"] == "failed"
        assert finery("runs", "monitor", "nosuch").code == 2


class TestOthers:
    def test_models(self, finery: Finery) -> None:
        assert "finery/tiny-qwen" in finery("models", "list").out
        assert {"name", "kind", "description"} <= {*finery("models", "list", "--json").json["models"][0]}

    def test_deployments(self, ada: Finery) -> None:
        assert ada("deployments", "list").out.startswith("No deployments.")
        assert ada("deployments", "list", "--json").json == {"deployments": []}
        assert ada("deployments", "stop", "nosuch").code == 2

    def test_samples(self, alone: Finery) -> None:
        (alone.folder / "data").mkdir()
        (alone.folder / "data" / "corpus.jsonl").write_text("mine")
        ended = alone("samples", "--json")

        assert [Path(path).name for path in ended.json["files"]] == [
            "corpus.jsonl",
            "feedback.jsonl",
            "instructions.jsonl",
            "preferences.jsonl",
        ]
        assert (alone.folder / "data" / "corpus.jsonl").read_text() == "mine"
        assert (alone.folder / "data" / "instructions.jsonl").stat().st_size > 0

    def test_samples_cannot_be_written(self, alone: Finery) -> None:
        (alone.folder / "taken").write_text("")
        ended = alone("samples", "taken")

        assert ended.code == 2
        assert ended.err.startswith("finery: taken: cannot be written")

    @pytest.mark.parametrize("words", [(), ("--json",)])
    def test_chat_needs_a_question(self, finery: Finery, words: tuple[str, ...]) -> None:
        ended = finery("chat", "finery/tiny-llama", *words)

        assert ended.code == 2
        assert "--prompt" in ended.err

    def test_chat_with_what_is_no_model(self, finery: Finery) -> None:
        ended = finery("chat", "finery/tiny-lama", "--prompt", "Hello")

        assert ended.code == 2
        assert "did you mean 'finery/tiny-llama'?" in ended.err


class TestDoctor:
    def test_with_a_server(self, finery: Finery) -> None:
        ended = finery("doctor", "--json")
        found = {finding["subject"]: finding for finding in ended.json["findings"]}

        assert ended.json["healthy"] is (ended.code == 0)
        assert found["server"]["state"] == found["database"]["state"] == found["core packages"]["state"] == "ok"

    def test_every_package_of_the_core_is_looked_for(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        present = {name: doctor_checks.version_of(name) for name in ("fastapi", "psutil")}
        assert None not in present.values()
        monkeypatch.setattr(doctor_checks, "version_of", present.get)
        found = {one.subject: one for one in doctor_checks.examine(home=home, port=free_port(), deep=False)}
        assert found["core packages"].state is doctor_checks.State.LACKING
        assert "aiohttp" in found["core packages"].found
        assert "fastapi," not in found["core packages"].found

    def test_without_a_server(self, alone: Finery) -> None:
        ended = alone("doctor", "--port", str(free_port()))

        assert "finery server" in ended.out
        assert "can be written" in ended.out

    def test_a_home_that_cannot_be_written(self, alone: Finery) -> None:
        ended = alone("doctor", "--home", "/proc/1", "--json")
        found = {finding["subject"]: finding for finding in ended.json["findings"]}

        assert ended.code == 1
        assert found["home"]["state"] == "lacking"
        assert found["home"]["remedy"]


class TestServer:
    def test_serves_until_it_is_told_to_stop(self, tmp_path: Path) -> None:
        port = free_port()
        process = subprocess.Popen(
            [*PROGRAM, "server", "--port", str(port), "--home", str(tmp_path), "--json"],
            env={**environment(), "FINERY_WARM_START": "off"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with FineryClient(url=told["url"]) as client:
            deadline = time.monotonic() + 30
            while not client.is_healthy() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert client.list_runs().runs == []
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)

        assert told == {"url": f"http://127.0.0.1:{port}", "home": str(tmp_path), "pid": process.pid}
        assert (process.returncode, out) == (0, "")

    def test_a_taken_port(self, live: RunningServer, alone: Finery) -> None:
        ended = alone.apart("server", "--port", str(live.port))

        assert ended.code == 3
        assert str(live.port) in ended.err
