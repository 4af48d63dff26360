"""Sweeps as a person or a script asks for them, on a real server."""

import json

from finery.client import FineryClient
from tests.cli.command import Finery
from tests.cli.test_completion import offers

ARGV = json.dumps([["true"], ["false"]])


class TestSweeps:
    def test_from_train_to_deletion(self, finery: Finery, api: FineryClient) -> None:
        ended = finery("train", "command", f"argv={ARGV}", "--name", "two", "--label", "team=x")
        first, *lines = ended.out.splitlines()
        sweep_id = first.split()[1].rstrip(":")
        assert (ended.code, first) == (1, f"Sweep {sweep_id}: 2 runs of command")
        assert sum("two · argv=true" in line and "succeeded" in line for line in lines) == 1
        assert lines[-1] == "No run has succeeded with a value of loss"

        listed = finery("sweeps", "list").out.splitlines()[1]
        assert listed.startswith(f"{sweep_id}  two")
        assert "1 succeeded, 1 failed" in listed
        shown = finery("sweeps", "show", sweep_id[:10], "--json").json
        assert [each["run"]["status"] for each in shown["runs"]] == ["succeeded", "failed"]
        assert '["false"]' in finery("sweeps", "show", sweep_id).out
        runs = finery("runs", "list", "--sweep", sweep_id, "--json").json["runs"]
        assert {run["labels"]["team"] for run in runs} == {"x"}
        best = finery("sweeps", "best", sweep_id, "--json")
        assert (best.code, best.json["best"], best.json["ranked_by"]) == (1, None, "loss")
        assert finery("sweeps", "monitor", sweep_id, "--json").json["id"] == sweep_id
        assert offers(finery, "sweeps", "show", sweep_id[:9]) == [sweep_id]
        assert finery("sweeps", "share", sweep_id, "--json").json["shared"] is True

        again = finery("sweeps", "cancel", sweep_id)
        assert (again.code, again.err) == (2, f"finery: all runs of sweep '{sweep_id}' have ended already\n")
        deleted = finery("sweeps", "delete", sweep_id, "--runs")
        assert (deleted.code, deleted.out.splitlines()[0]) == (
            0,
            f"Sweep {sweep_id} is deleted; with its 2 runs; their outputs stay",
        )
        assert not {run["id"] for run in runs} & {run.id for run in api.list_runs().runs}

    def test_cancelled_together(self, finery: Finery) -> None:
        argv = json.dumps([["sleep", "60"], ["sleep", "61"], ["sleep", "62"]])
        sweep_id = finery("train", "command", f"argv={argv}", "--detach").out.strip()
        assert finery("sweeps", "cancel", sweep_id).code == 0
        assert finery("sweeps", "monitor", sweep_id).code == 4

    def test_a_bad_value_refuses_all(self, finery: Finery, api: FineryClient) -> None:
        before = len(api.list_runs().runs)
        ended = finery("train", "sft", "model_name=finery/tiny-llama", "dataset_path=x.jsonl", "learning_rate=1e-4,-1")
        assert ended.code == 2
        assert "config.learning_rate[1]" in ended.err
        assert len(api.list_runs().runs) == before

    def test_options_of_sweeps_for_a_run(self, finery: Finery) -> None:
        assert "--metric and --goal are for sweeps" in finery("train", "command", 'argv=["true"]', "--goal", "min").err
        assert "neither min nor max" in finery("train", "command", f"argv={ARGV}", "--goal", "most").err
