"""Programs that others wrote, unmodified, each in an environment of its own, against our server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MAKER = HERE.parents[1] / "tools" / "foreign_clients.py"
CLIENTS = sorted(path.parent.name for path in HERE.glob("*/requirements.txt"))
SECONDS = 300.0
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
"""Nothing is asked but our server."""
# The first one waits for the training, and each may have to wait for its environment.
pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("foreign-clients"), pytest.mark.timeout(1200)]


@pytest.mark.parametrize("client", CLIENTS)
def test_it_gets_along_with_our_server(client: str, surroundings: dict[str, str], tmp_path: Path) -> None:
    environment = made(client)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("FINERY_", "OPENAI_", "PYTHON"))
    }
    variables = {
        "HOME": str(tmp_path),
        "NODE_PATH": str(environment / "node_modules"),
        "CLIENT_ENVIRONMENT": str(environment),
    }
    done = subprocess.run(
        command(client, environment),
        cwd=tmp_path,
        env={**inherited, **OFFLINE, **variables, **surroundings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{client} ended with {done.returncode}\n{done.stdout[-20_000:]}"


def made(client: str) -> Path:
    """Returns the folder of the client's environment."""
    done = subprocess.run([sys.executable, str(MAKER), client], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def command(client: str, environment: Path) -> list[str]:
    script = HERE / client / "check.cjs"
    if script.exists():
        return [str(environment / "bin" / "node"), str(script)]
    return [str(environment / "bin" / "python"), str(HERE / client / "check.py")]
