"""Examples of requests to the jobs dialect, for OpenAPI."""

from finery.http.openapi_examples import Examples

MODEL = "finery/tiny-llama"

EXAMPLES: Examples = {
    "POST /train/sft": {
        "the shipped instructions, learned by heart": {
            "model_name": MODEL,
            "dataset_path": "data/instructions.jsonl",
            "output_dir": "outputs/my_model",
            "num_epochs": 40,
            "batch_size": 47,
            "learning_rate": 5e-3,
            "lr_scheduler": "cosine",
            "use_lora": False,
        }
    },
    "POST /train/dpo": {
        "preferences": {
            "model_name": "outputs/my_model",
            "dataset_path": "data/preferences.jsonl",
            "output_dir": "outputs/my_dpo_model",
            "learning_rate": 1e-5,
            "beta": 0.1,
        }
    },
    "POST /jobs": {
        "a training that runs elsewhere": {
            "job_id": "job-001",
            "model_name": "Qwen/Qwen3-0.6B",
            "dataset": "tickets",
            "hyperparameters": {"learning_rate": 2e-5},
        }
    },
    "PATCH /jobs/{job_id}/status": {
        "it has begun": {"status": "running"},
        "it has failed": {"status": "failed", "error_message": "out of memory"},
    },
    "POST /chat": {"a question": {"instruction": "What is Finery?", "temperature": 0}},
    "POST /generate": {"a beginning": {"prompt": "Finery is", "max_new_tokens": 32}},
}
