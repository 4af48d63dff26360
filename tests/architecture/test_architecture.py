"""What import-linter cannot see: the folders, forbidden calls, permissions, and what a start loads."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "finery"

# The only places that may end a transaction.
COMMITS = ("http/session.py", "db/")

# Attribute probing by name hides what an object is. Each exception states its need.
PROBES: dict[str, str] = {}

# FastAPI's own pages, which take no dependency.
DESCRIPTIONS = {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}

# Answered without a login.
PUBLIC = {
    # The page is the same for everybody, and asks the API for all that it shows.
    "GET /",
    "GET /ui",
    "GET /ui/{name:path}",
    "GET /healthz",
    "GET /readyz",
    "GET /api/v1/setup",
    "POST /api/v1/setup",
    "POST /api/v1/login",
    *(
        f"{method} {prefix}/{path}"
        for prefix in ("/api/cloud/auth", "/api/auth")
        for method, path in (("GET", "setup/status"), ("POST", "setup/first-admin"), ("POST", "login"))
    ),
}

# They ask a model or look at data, though their method could change something.
CHANGES_NOTHING = {
    "POST /v1/fine_tuning/alpha/graders/run",
    "POST /v1/fine_tuning/alpha/graders/validate",
    "POST /chat",
    "POST /generate",
    "POST /v1/chat/completions",
    "POST /api/v1/chat/completions",
    "POST /api/v1/runs/preview",
    "POST /v1/completions",
    "POST /api/v1/datasets/check",
    "POST /api/v1/deployments/{deployment_id}/chat/completions",
    "POST /api/v1/deployments/{deployment_id}/completions",
}

FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "os.popen",
    "os.system",
    "pickle.load",
    "pickle.loads",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "torch.load",
    "yaml.load",
    "yaml.load_all",
}

HEAVY = ["torch", "transformers", "trl", "peft", "accelerate", "datasets", "pyarrow"]


def source_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    """`os.system` for `os.system(…)`; what cannot be read as dotted names is left out."""
    parts: list[str] = []
    node = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def place(path: Path, call: ast.Call) -> str:
    return f"{path.relative_to(SOURCE)}:{call.lineno}: {name_of(call)}"


class TestTree:
    def test_architecture_document_lists_every_folder(self) -> None:
        document = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
        tree = re.search(r"```\w*\n(src/finery/\n.*?)```", document, re.DOTALL)
        assert tree, "docs/ARCHITECTURE.md needs a fenced tree that begins with src/finery/"
        documented = re.findall(r"^(?:  |[├└]── )(\w+)/", tree[1], re.MULTILINE)

        folders = [path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"]

        assert sorted(documented) == sorted(folders)


class TestEngines:
    ENGINES = sorted(path.parent.name for path in (SOURCE / "engines").glob("*/engine.py"))

    def test_there_are_some(self) -> None:
        assert len(self.ENGINES) >= 2

    def test_an_engine_is_known_to_itself_and_to_its_registry(self) -> None:
        # The app hands settings on; the parity check compares a training with what our own engine answers.
        exempt = ("app/", "engines/registry.py", "trainers/parity.py")
        found = [
            (place, engine)
            for path in source_files()
            for engine in self.ENGINES
            if not (place := path.relative_to(SOURCE).as_posix()).startswith((*exempt, f"engines/{engine}/"))
            and f"finery.engines.{engine}" in path.read_text(encoding="utf-8")
        ]

        assert found == []

    def test_those_who_ask_engines_compare_no_names(self) -> None:
        found = [
            (path.relative_to(SOURCE).as_posix(), engine)
            for layer in ("api", "domain", "http", "scheduler")
            for path in (SOURCE / layer).rglob("*.py")
            for engine in self.ENGINES
            if f'"{engine}"' in path.read_text(encoding="utf-8")
        ]

        assert found == []


class TestCalls:
    def test_transactions_end_in_one_place(self) -> None:
        found = [
            place(path, call)
            for path in source_files()
            if not path.relative_to(SOURCE).as_posix().startswith(COMMITS)
            for call in calls(path)
            if isinstance(call.func, ast.Attribute) and call.func.attr == "commit"
        ]

        assert found == []

    def test_no_shell_no_code_from_data(self) -> None:
        found = [
            place(path, call)
            for path in source_files()
            for call in calls(path)
            if name_of(call) in FORBIDDEN_CALLS
            or any(
                keyword.arg == "shell"
                and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
                for keyword in call.keywords
            )
        ]

        assert found == []

    def test_no_probing_for_attributes(self) -> None:
        found = [
            place(path, call)
            for path in source_files()
            if path.relative_to(SOURCE).as_posix() not in PROBES
            for call in calls(path)
            if name_of(call) in {"hasattr", "getattr"}
        ]

        assert found == []


class TestContracts:
    def test_contracts_need_pydantic_and_the_standard_library_only(self) -> None:
        allowed = {*sys.stdlib_module_names, "finery", "pydantic", "pydantic_core"}
        foreign = {
            f"{path.relative_to(SOURCE)}: {module}"
            for path in sorted((SOURCE / "contracts").rglob("*.py"))
            for module in imported_modules(path)
            if module.partition(".")[0] not in allowed
        }

        # The check of a dataset decodes rows into structs; the server and the command line share it.
        assert {each for each in foreign if not re.match(r"contracts/datasets/.*: msgspec(\.|$)", each)} == set()


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


@pytest.fixture(scope="module")
def contexts() -> dict[str, Any]:
    """The routes. The app is only put together here, never started."""
    from fastapi.routing import iter_route_contexts

    from finery.app.asgi import create_app

    return {
        f"{','.join(sorted(route.methods or ()))} {route.path}": route
        for route in iter_route_contexts(create_app().routes)
        if route.path not in DESCRIPTIONS
    }


def called(dependant: "Dependant") -> Iterator[object]:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from called(dependency)


@pytest.fixture(scope="module")
def permissions(contexts: dict[str, Any]) -> dict[str, list[str]]:
    """What each route asks for."""
    from finery.http.permission import Allow, AllowEveryone

    return {
        name: sorted({call.permission for call in called(route.dependant) if isinstance(call, Allow | AllowEveryone)})
        for name, route in contexts.items()
    }


def runs_in_the_loop(call: Any) -> bool:
    functions = (call, type(call).__call__)
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in functions)


class TestLanes:
    def test_nothing_runs_in_threads_of_the_frameworks(self, contexts: dict[str, Any]) -> None:
        """Its pool has no line: whoever fills it keeps out everybody."""
        calls = {call for route in contexts.values() for call in (route.dependant.call, *called(route.dependant))}
        assert len(calls) > 100
        assert {call for call in calls if not runs_in_the_loop(call)} == set()


class TestPermissions:
    def test_every_route_names_one_permission(self, permissions: dict[str, list[str]]) -> None:
        assert permissions, "the app has no routes"
        assert {route: asked for route, asked in permissions.items() if len(asked) != 1} == {}

    def test_public_routes_are_known(self, permissions: dict[str, list[str]]) -> None:
        assert {route for route, asked in permissions.items() if asked == ["public"]} == PUBLIC

    def test_it_is_asked_for_before_the_body_is_read(self, contexts: dict[str, Any]) -> None:
        """A route looks for it where its decorator stands."""
        from finery.http.permission import Allow, AllowEveryone

        late = {
            name
            for name, route in contexts.items()
            if not any(isinstance(each.dependency, Allow | AllowEveryone) for each in route.original_route.dependencies)
        }
        assert late == set()


class TestAudit:
    def test_every_change_is_recorded(self, contexts: dict[str, Any]) -> None:
        """Its transaction is begun by what writes the entry."""
        from finery.http.logins import login_service
        from finery.http.session import current_transactions

        unrecorded = {
            name
            for name, route in contexts.items()
            if not name.startswith("GET ") and {current_transactions, login_service}.isdisjoint(called(route.dependant))
        }
        assert unrecorded == CHANGES_NOTHING


class TestStart:
    def test_what_routes_take_and_give_is_made_before_they_are_asked(self, contexts: dict[str, Any]) -> None:
        """FastAPI's adapters of models with `defer_build` would be made by the first thread that needs one, or two."""
        routes = [route.original_route for route in contexts.values()]
        models = [route.body_field.field_info.annotation for route in routes if route.body_field is not None]
        models += [route.response_model for route in routes]
        late = {model for model in models if not vars(model or object).get("__pydantic_complete__", True)}

        assert len(models) > 100
        assert late == set()

    def test_core_dependencies_hold_no_training_stack(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        core = {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower() for line in project["dependencies"]}

        assert core.isdisjoint({*HEAVY, "safetensors", "tokenizers"} - {"pyarrow"})

    @pytest.mark.parametrize("module", ["finery.app.asgi", "finery.cli.commands"])
    def test_start_loads_nothing_heavy(self, module: str) -> None:
        program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"

        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240)

        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == "[]"
