"""The evaluation harness runs the tasks of examples/evaluating, as docs/evaluating.md says, on learned rows."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "evaluating"
TASKS = ("tickets_choice", "tickets_answer", "tickets_text")
MODEL, FOLDER, API, ROWS = (os.environ[name] for name in ("MODEL", "MODEL_FOLDER", "OPENAI_BASE_URL", "ROWS"))


def main() -> None:
    # The tasks name their rows by a path beside their own folder.
    shutil.copytree(EXAMPLES, "evaluating")
    Path("openai").mkdir()
    Path("openai/tickets_held_out.jsonl").write_text(ROWS, encoding="utf-8")

    found = evaluate(Path("evaluating"))
    assert found["tickets_choice"]["acc,none"] == 1.0
    assert found["tickets_answer"]["exact_match,none"] == 1.0
    text = found["tickets_text"]
    assert math.isclose(2 ** text["bits_per_byte,none"], text["byte_perplexity,none"], rel_tol=1e-6)
    # It has learned the answers only, so that the tickets are news to it; twelve bits are a whole token of 4,096.
    assert 0.1 < text["bits_per_byte,none"] < 24.0


def evaluate(tasks: Path) -> dict[str, dict[str, float]]:
    settings = f"model={MODEL},base_url={API}/completions,tokenizer={FOLDER},num_concurrent=4,max_length=512"
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions", "--model_args", settings]
    command += ["--include_path", ".", "--tasks", ",".join(TASKS), "--apply_chat_template", "--output_path", "results"]
    subprocess.run(command, cwd=tasks, check=True)
    (written,) = tasks.glob("results/*/results_*.json")
    return json.loads(written.read_text(encoding="utf-8"))["results"]


if __name__ == "__main__":
    main()
