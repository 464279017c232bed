"""The house law: what every file of this project keeps to."""

import ast
import importlib
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

import spanwatch
from spanwatch.core import names

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
MODULES = sorted(SRC.rglob("*.py"))
PROGRAMS = sorted([*MODULES, *(ROOT / "demo").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
PROGRAMS += sorted((ROOT / "examples").glob("*.py"))

NAMES_LIVE_IN = {
    "spanwatch/core/names/attributes.py",
    "spanwatch/core/names/metrics.py",
    *(path.relative_to(SRC).as_posix() for path in (SRC / "spanwatch/core/dialects").glob("*.py")),
}
NAME_PREFIXES = ("gen_ai.", "openai.", "spanwatch.")
FORBIDDEN_MODULES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "marshal", "shelve"}
LOCK_FILES = {"uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "package-lock.json"}

# Written in parts, so that this file does not hold what it forbids.
REGISTRY_HOSTS = [
    ("pypi", "org"),
    ("python" + "hosted", "org"),
    ("npm" + "js", "(org|com)"),
    ("deb", "debian", "org"),
    ("proxy", "golang", "org"),
    ("index", "crates", "io"),
]
HOSTS = re.compile("|".join(r"\.".join(parts) for parts in REGISTRY_HOSTS), re.IGNORECASE)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|farm|root|home/\w+)/[\w.]")


def relative(path):
    return path.relative_to(SRC if path.is_relative_to(SRC) else ROOT).as_posix()


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def tracked_files():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def docstrings(tree):
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr):
            yield node.body[0].value


def is_module(text):
    """Whether the text is the path of a module that exists, such as an entry point or a patch target has."""
    try:
        return importlib.util.find_spec(text.partition(":")[0]) is not None
    except (ImportError, ValueError):
        return False


def telemetry_names(tree):
    prose = {id(node) for node in docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            text = node.value
            if text.startswith(NAME_PREFIXES) and not any(c.isspace() for c in text) and not is_module(text):
                yield text


@pytest.mark.parametrize("path", [path for path in MODULES if relative(path) not in NAMES_LIVE_IN], ids=relative)
def test_telemetry_names_are_written_in_one_place(path):
    assert list(telemetry_names(parse(path))) == []


def test_a_telemetry_name_elsewhere_would_be_noticed():
    tree = ast.parse(
        '"""gen_ai.in.a.docstring"""\nx = "gen_ai.usage.new"\ny = f"spanwatch.{x}"\nz = "spanwatch.core.call"'
    )
    assert list(telemetry_names(tree)) == ["gen_ai.usage.new", "spanwatch."]


@pytest.mark.parametrize("path", PROGRAMS, ids=relative)
def test_files_have_at_most_400_lines_and_functions_60(path):
    text = path.read_text(encoding="utf-8")
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= 60}
    assert text.count("\n") <= 400
    assert long == {}


@pytest.mark.parametrize("path", PROGRAMS, ids=relative)
def test_modules_are_named_after_what_they_hold(path):
    assert not {part.removesuffix(".py").strip("_") for part in Path(relative(path)).parts} & FORBIDDEN_MODULES


@pytest.mark.parametrize("path", PROGRAMS, ids=relative)
def test_nothing_runs_text_or_loads_objects_from_bytes(path):
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not modules & FORBIDDEN_IMPORTS
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", None) not in FORBIDDEN_CALLS
            assert ast.unparse(node.func) not in {"yaml.load", "yaml.unsafe_load", "os.system", "os.popen"}
            shell = [keyword for keyword in node.keywords if keyword.arg == "shell"]
            assert all(isinstance(keyword.value, ast.Constant) and not keyword.value.value for keyword in shell)


def test_no_tracked_file_names_a_package_registry_or_a_path_of_one_machine():
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}:{n}" for n, line in enumerate(lines, 1) if HOSTS.search(line)]
        found += [f"{relative(path)}:{n}" for n, line in enumerate(lines, 1) if MACHINE_PATHS.search(line)]
    assert found == []


def test_no_lock_file_is_tracked():
    assert [relative(path) for path in tracked_files() if path.name in LOCK_FILES] == []


def test_the_public_names_are_sorted_and_all_of_them_are_there():
    homes = spanwatch._HOMES
    assert sorted(spanwatch.__all__) == spanwatch.__all__ == sorted(homes)
    assert dir(spanwatch) == sorted([*spanwatch.__all__, "__version__"])
    for name in spanwatch.__all__:
        assert getattr(spanwatch, name).__name__ == name


def test_type_checkers_see_the_public_names_that_exist_at_run_time():
    tree = parse(SRC / "spanwatch" / "__init__.py")
    seen = {
        (alias.asname, node.module)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(spanwatch._HOMES.items())


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'spanwatch' has no attribute 'no_such_name'"):
        spanwatch.no_such_name  # noqa: B018 (the look-up is the test)


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if "__all__" in path.read_text() and path.parent != SRC / "spanwatch"],
    ids=relative,
)
def test_a_module_that_lists_its_names_lists_them_sorted_and_completely(path):
    name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    defined = {
        node.name
        for node in parse(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert sorted(module.__all__) == list(module.__all__)
    assert defined <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_every_metric_has_one_name_a_unit_and_a_sentence():
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    for metric in names.METRICS:
        assert metric.unit, metric.name
        assert metric.description[0].isupper(), metric.name
        assert metric.description.endswith("."), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert len(set(metric.attributes)) == len(metric.attributes), metric.name


def test_every_metric_defined_is_registered():
    defined = {value for value in vars(names).values() if isinstance(value, names.Metric)}
    assert defined == set(names.METRICS)


def test_the_changelog_has_a_place_for_what_comes():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[?Unreleased\]?", text, re.MULTILINE)
