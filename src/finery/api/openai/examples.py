"""Examples of requests to the OpenAI dialect, for OpenAPI."""

from pydantic import JsonValue

from finery.http.openapi_examples import Examples

MODEL = "finery/tiny-llama"
FILE = "file-0123456789abcdef01234567"
GRADER: JsonValue = {
    "type": "string_check",
    "name": "right",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}

EXAMPLES: Examples = {
    "POST /v1/chat/completions": {
        "a question": {"model": MODEL, "messages": [{"role": "user", "content": "What is Finery?"}]},
        "a stream": {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "stream": True},
    },
    "POST /v1/completions": {"a beginning": {"model": MODEL, "prompt": "Finery is", "max_tokens": 16}},
    "POST /v1/uploads": {
        "a large file": {
            "filename": "train.jsonl",
            "purpose": "fine-tune",
            "bytes": 2_147_483_648,
            "mime_type": "text/jsonl",
        }
    },
    "POST /v1/uploads/{upload_id}/complete": {"two parts": {"part_ids": ["part_abc", "part_def"]}},
    "POST /v1/fine_tuning/jobs": {
        "supervised": {"model": MODEL, "training_file": FILE, "suffix": "tickets"},
        "preferences": {
            "model": MODEL,
            "training_file": FILE,
            "method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.1}}},
        },
        "reinforcement": {
            "model": MODEL,
            "training_file": FILE,
            "method": {
                "type": "reinforcement",
                "reinforcement": {"grader": GRADER},
            },
        },
    },
    "POST /v1/fine_tuning/alpha/graders/validate": {"a string check": {"grader": GRADER}},
    "POST /v1/fine_tuning/alpha/graders/run": {
        "a right answer": {"grader": GRADER, "item": {"answer": "iron"}, "model_sample": "iron"}
    },
    "POST /v1/webhook_endpoints": {
        "ends of jobs": {
            "name": "my service",
            "url": "https://example.org/finery",
            "event_types": ["fine_tuning.job.succeeded", "fine_tuning.job.failed"],
        }
    },
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}": {"another address": {"url": "https://example.org/other"}},
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret": {
        "without a break": {"keep_old_secret_active_for_24_hours": True}
    },
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}/test": {
        "a job that succeeded": {"event_type": "fine_tuning.job.succeeded"}
    },
}
