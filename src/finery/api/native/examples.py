"""Examples of requests to the native API, for OpenAPI."""

from finery.http.openapi_examples import Examples

MODEL = "finery/tiny-llama"
AUTO = {"num_epochs": "auto", "batch_size": "auto", "learning_rate": "auto"}
CHAT = {"messages": [{"role": "user", "content": "What is Finery?"}], "temperature": 0, "max_tokens": 64}
GRADER = {
    "type": "string_check",
    "name": "right",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}

EXAMPLES: Examples = {
    "POST /api/v1/runs": {
        "supervised fine-tuning, left to Finery": {
            "recipe": "sft",
            "config": {"model_name": MODEL, "dataset_path": "data/instructions.jsonl", **AUTO},
            "name": "first try",
        },
        "LoRA with settings of one's own": {
            "recipe": "sft",
            "config": {
                "model_name": "Qwen/Qwen3-0.6B",
                "dataset_path": "dataset:tickets@3",
                "eval_split": 0.05,
                "use_lora": True,
                "lora_rank": 32,
                "learning_rate": 2e-4,
                "num_epochs": 2,
            },
            "labels": {"team": "support"},
        },
        "preferences": {
            "recipe": "dpo",
            "config": {"model_name": "outputs/my_model", "dataset_path": "data/preferences.jsonl", "beta": 0.1},
        },
        "reinforcement with a grader": {
            "recipe": "grpo",
            "config": {"model_name": MODEL, "dataset_path": "data/questions.jsonl", "grader": GRADER},
        },
        "a program of one's own": {
            "recipe": "command",
            "config": {"argv": ["python", "train.py", "--epochs", "3"], "working_directory": "projects/mine"},
        },
    },
    "PATCH /api/v1/runs/{run_id}": {"share it under a name": {"shared": True, "name": "the good one"}},
    "POST /api/v1/runs/preview": {
        "what auto would choose": {
            "recipe": "sft",
            "config": {"model_name": MODEL, "dataset_path": "data/instructions.jsonl", **AUTO},
        }
    },
    "POST /api/v1/sweeps": {
        "four runs: two rates, two ranks": {
            "recipe": "sft",
            "config": {
                "model_name": MODEL,
                "dataset_path": "data/instructions.jsonl",
                "eval_split": 0.1,
                "use_lora": True,
                "learning_rate": [1e-4, 2e-4],
                "lora_rank": [8, 16],
            },
        },
        "modules, which are lists by nature": {
            "recipe": "sft",
            "config": {
                "model_name": MODEL,
                "dataset_path": "data/instructions.jsonl",
                "use_lora": True,
                "lora_target_modules": [["q_proj", "v_proj"], ["gate_proj", "up_proj", "down_proj"]],
            },
            "metric": "token_accuracy",
            "goal": "max",
        },
    },
    "PATCH /api/v1/sweeps/{sweep_id}": {"rank by another metric": {"metric": "eval_token_accuracy"}},
    "POST /api/v1/deployments": {
        "a finished run's model": {"model": "outputs/my_model"},
        "the model behind /chat": {"model": MODEL, "slot": "main", "options": {"max_context": 2048}},
    },
    "PATCH /api/v1/deployments/{deployment_id}": {"share it": {"shared": True}},
    "POST /api/v1/deployments/{deployment_id}/chat/completions": {"a question": CHAT},
    "POST /api/v1/deployments/{deployment_id}/completions": {
        "a beginning": {"prompt": "Finery is", "max_tokens": 16, "temperature": 0}
    },
    "POST /api/v1/chat/completions": {"a question to a model": {"model": MODEL, **CHAT}},
    "POST /api/v1/datasets/check": {
        "with a model, to count its tokens": {
            "path": "data/instructions.jsonl",
            "recipe": "sft",
            "model": MODEL,
            "max_length": 512,
        }
    },
    "PATCH /api/v1/datasets/{dataset_id}": {"another name": {"name": "tickets"}},
    "POST /api/v1/datasets/{dataset_id}/restore": {"an older version": {"version": 2, "note": "3 had duplicates"}},
    "POST /api/v1/uploads": {"a file of 20 MB": {"filename": "tickets.jsonl", "size_bytes": 20_000_000}},
    "POST /api/v1/uploads/{upload_id}/complete": {
        "a new dataset": {"name": "tickets", "note": "of November"},
        "the next version of one": {"dataset_id": "ds_0123456789abcdef", "note": "without duplicates"},
    },
    "POST /api/v1/setup": {
        "the first administrator": {
            "email": "ada@example.org",
            "username": "ada",
            "password": "a long pass phrase",
            "display_name": "Ada",
        }
    },
    "POST /api/v1/login": {"with a user name": {"login": "ada", "password": "a long pass phrase"}},
    "POST /api/v1/me/password": {
        "another password": {"current_password": "a long pass phrase", "new_password": "a longer pass phrase"}
    },
    "POST /api/v1/keys": {
        "a key that reads runs, for 90 days": {
            "name": "dashboard",
            "expires_days": 90,
            "scoped_permissions": ["runs:read"],
        }
    },
    "POST /api/v1/users": {
        "a researcher": {
            "email": "rosa@example.org",
            "username": "rosa",
            "password": "a long pass phrase",
            "levels": ["researcher"],
        }
    },
    "PATCH /api/v1/users/{user_id}": {"another level": {"levels": ["lead"]}},
    "PUT /api/v1/secrets/{name}": {"a token of the hub": {"value": "hf_…"}},
    "PUT /api/v1/server-secrets/{name}": {"a token of the hub": {"value": "hf_…"}},
    "POST /api/v1/webhooks": {
        "ends of one's own runs": {
            "url": "https://example.org/finery",
            "event_types": ["run.succeeded", "run.failed", "run.cancelled"],
        }
    },
    "PATCH /api/v1/webhooks/{webhook_id}": {"switch it off": {"enabled": False}},
    "POST /api/v1/webhooks/{webhook_id}/rotate-secret": {"end the old one at once": {"keep_old": False}},
}
