"""The rooms, and who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "spanwatch"
MODULES = sorted(SRC.rglob("*.py"))

# A room imports only rooms to its left; rooms in one column do not know each other.
MAY_IMPORT = {
    "core": set(),
    "store": {"core"},
    "generate": {"core"},
    "notify": {"core"},
    "reports": {"core", "store"},
    "otel": {"core", "store", "generate", "notify", "reports"},
    "testing": {"core", "store", "otel"},
    "alerts": {"core", "store", "otel"},
    "budgets": {"core", "otel"},
    "rules": {"core"},
    "pytest_plugin": {"core", "testing"},
    "cli": {"core", "store", "generate", "notify", "reports", "otel"},
    "__main__": {"cli"},
}
KNOWS_OPENTELEMETRY = {"otel", "testing"}
OPTIONAL_EXTRAS = {"anyio", "openai", "opentelemetry.instrumentation.openai", "pygal", "redis", "textual", "yaml"}

# core is plain data and functions: what it needs of the outside world is handed to it.
OUTSIDE_WORLD = {
    "asyncio",
    "glob",
    "http",
    "io",
    "os",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}
OUTSIDE_CALLS = {"open", "input", "print", "now", "utcnow", "today", "read_text", "write_text", "read_bytes"}


def relative(path):
    return path.relative_to(SRC).as_posix()


def room_of(path):
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def module_names(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def imports(tree):
    return {name for node in ast.walk(tree) for name in module_names(node)}


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_by(code):
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return answer.stdout.split()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_room_imports_only_rooms_to_its_left(path):
    room = room_of(path)
    if room == "__init__":
        pytest.skip("the public face knows every room by name and loads none")
    rooms = {name.split(".")[1] for name in imports(parse(path)) if name.startswith("spanwatch.")}
    assert rooms - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_the_otel_room_and_testing_import_opentelemetry(path):
    found = {name for name in imports(parse(path)) if name.split(".")[0] == "opentelemetry"}
    assert not found or room_of(path) in KNOWS_OPENTELEMETRY


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_inside_functions_only_optional_extras_are_imported(path):
    functions = [node for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {name for function in functions for name in imports(function)}
    extras = {name for name in inner for extra in OPTIONAL_EXTRAS if name == extra or name.startswith(f"{extra}.")}
    assert inner == extras


@pytest.mark.parametrize("path", sorted((SRC / "core").rglob("*.py")), ids=relative)
def test_core_touches_nothing_outside_its_arguments(path):
    tree = parse(path)
    calls = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    assert not imports(tree) & OUTSIDE_WORLD
    assert not calls & OUTSIDE_CALLS


def test_every_room_on_disk_is_drawn_in_the_table():
    assert {room_of(path) for path in MODULES} - {"__init__"} <= set(MAY_IMPORT)


def test_importing_every_core_module_loads_no_opentelemetry():
    names = [".".join(path.relative_to(SRC.parent).with_suffix("").parts) for path in (SRC / "core").rglob("*.py")]
    core = [name.removesuffix(".__init__") for name in names]
    loaded = imported_by(f"import {', '.join(sorted(core))}")
    assert "spanwatch.core.names" in loaded
    assert [name for name in loaded if name.split(".")[0] == "opentelemetry"] == []


def test_importing_spanwatch_itself_loads_no_room():
    assert [name for name in imported_by("import spanwatch") if name.startswith("spanwatch.")] == []


def test_the_layers_test_would_notice_a_wrong_import():
    tree = ast.parse("from spanwatch.cli import main\nimport opentelemetry.trace")
    assert {"spanwatch.cli", "spanwatch.cli.main", "opentelemetry.trace"} <= imports(tree)
