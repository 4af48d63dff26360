"""The OpenAI dialect, `/v1`: fine-tuning, files, models, completions and webhooks for OpenAI's own SDK."""

import re

from finery.api.openai import files, fine_tuning, graders, inference, models, uploads, webhook_endpoints
from finery.api.openai.dialect import ERROR_SHAPE, PREFIX, OpenAIError
from finery.api.openai.webhook_events import EVENTS
from finery.http.dialects import Dialect

SDK_HEADERS = (
    *("OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta"),
    *(
        f"X-Stainless-{name}"
        for name in (
            *("Arch", "Lang", "OS", "Package-Version", "Retry-Count", "Runtime", "Runtime-Version", "Timeout"),
            *("Helper-Method", "Poll-Helper", "Custom-Poll-Interval"),
        )
    ),
)
"""Headers that OpenAI's SDK for JavaScript sends, also from a web page: without CORS for them a browser refuses."""

WITHOUT_VERSION = (
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/files",
    "/fine_tuning",
    "/models",
    "/responses",
)
"""Where clients ask whose base URL lacks the `/v1`: their packages show errors of OpenAI's shape only."""

DIALECT = Dialect(
    name="openai",
    routers=(
        inference.router,
        files.router,
        uploads.router,
        fine_tuning.router,
        graders.router,
        models.router,
        webhook_endpoints.router,
    ),
    prefixes=(PREFIX, *WITHOUT_VERSION),
    errors=ERROR_SHAPE,
    error_model=OpenAIError,
    examples="finery.api.openai.examples",
    ids=re.compile(r"(?:upload|part|file|ftjob|ftckpt|we|evt)[-_].+"),
    webhook_renderer=EVENTS,
    cors_headers=SDK_HEADERS,
)
