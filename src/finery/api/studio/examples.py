"""Examples of requests to the studio dialect, for OpenAPI."""

from finery.api.studio import AUTH_PREFIXES
from finery.http.openapi_examples import Examples

ADMINISTRATOR = {
    "email": "ada@example.org",
    "username": "ada",
    "password": "a long pass phrase",
    "display_name": "Ada",
}
LOGIN = {"username": "ada", "password": "a long pass phrase", "remember_me": True}
KEY = {"name": "dashboard", "expires_days": 90, "scoped_permissions": ["runs:read"]}

EXAMPLES: Examples = {
    "POST /api/users": {
        "a researcher": {
            "email": "rosa@example.org",
            "username": "rosa",
            "password": "a long pass phrase",
            "level_names": ["researcher"],
        }
    },
    "PATCH /api/users/{user_id}": {"an administrator": {"is_admin": True}},
}
for prefix in AUTH_PREFIXES:
    EXAMPLES[f"POST {prefix}/setup/first-admin"] = {"the first administrator": ADMINISTRATOR}
    EXAMPLES[f"POST {prefix}/login"] = {"with a user name": LOGIN}
    EXAMPLES[f"POST {prefix}/api-keys"] = {"a key that reads runs, for 90 days": KEY}
