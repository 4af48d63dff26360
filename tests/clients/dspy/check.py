"""DSPy asks our model, and its fine-tuning goes from creation to cancellation over our server."""

import os
import time

import dspy
import openai
from dspy.clients.utils_finetune import TrainDataFormat, TrainingStatus

MODEL, BASE = os.environ["MODEL"], os.environ["BASE"]
ROW = {"messages": [{"role": "user", "content": "It hums."}, {"role": "assistant", "content": "noise"}]}
WAIT_SECONDS = 60


def main() -> None:
    model = dspy.LM(f"openai/{MODEL}", temperature=0, max_tokens=8, cache=False)
    assert [str(answer) for answer in model("The app freezes.")] == ["crash"]

    job = dspy.LM(f"openai/{BASE}").finetune([ROW] * 40, TrainDataFormat.CHAT, {"n_epochs": 50})
    wait_until(lambda: job.provider_job_id is not None)
    job_id, file_id = job.provider_job_id, job.provider_file_id
    assert job.status() in (TrainingStatus.pending, TrainingStatus.running)
    job.cancel()
    # It has forgotten both by now; the server tells what became of them.
    assert job.provider_job_id is None
    wait_until(lambda: openai.fine_tuning.jobs.retrieve(job_id).status == "cancelled")
    assert file_id not in [file.id for file in openai.files.list()]
    # DSPy's thread would look after the job again in twenty seconds, and end then.
    os._exit(0)


def wait_until(is_so) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


if __name__ == "__main__":
    main()
