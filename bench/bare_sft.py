"""The peer: TRL's SFTTrainer in a script of its own, as its documentation has it. Prints one JSON object."""

import json
import sys
import time

began = time.time()

import torch  # noqa: E402
from datasets import load_dataset  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402


class Clock(TrainerCallback):
    def __init__(self):
        self.steps = []
        self.logs = []

    def on_step_end(self, args, state, control, **kwargs):
        self.steps.append(time.time())

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.logs.append({"loss": logs["loss"], "tokens": logs.get("num_tokens", 0)})


settings = json.loads(sys.argv[1])
model_path, dataset_path, output_dir = settings.pop("model"), settings.pop("dataset"), settings.pop("output_dir")
torch.set_num_threads(settings.pop("threads"))
clock = Clock()
trainer = SFTTrainer(
    model=AutoModelForCausalLM.from_pretrained(model_path),
    args=SFTConfig(
        output_dir=output_dir, use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True, **settings
    ),
    train_dataset=load_dataset("json", data_files=dataset_path, split="train"),
    processing_class=AutoTokenizer.from_pretrained(model_path),
    callbacks=[clock],
)
trainer.train()
print("RESULT " + json.dumps({"began": began, "steps": clock.steps, "logs": clock.logs}))
