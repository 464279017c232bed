"""What only some platforms have is asked for in a few modules, which say what happens on the others."""

import ast
import sys
from pathlib import Path

import pytest

from tests.platforms import stubs

SRC = Path(__file__).resolve().parents[2] / "src" / "spanwatch"
MODULES = sorted(SRC.rglob("*.py"))
PLATFORMS = ("win32", "darwin")
KNOW_PLATFORMS = {"store/files.py", "store/forks.py", "store/locks.py", "cli/launch.py", "cli/stack_processes.py"}
ASK_WHICH = KNOW_PLATFORMS | {"cli/stack.py", "otel/scrape.py"}
DIFFER = {  # there on Windows, and something else: text mode, read-only bits, an end for every process, "nt"
    "os": {"chmod", "kill", "name", "open"},
    "socket": {"SO_REUSEADDR", "SO_REUSEPORT"},
}
MAY_DIFFER = {
    "cli/main.py": {"os.open"},  # the null device
    "cli/stack.py": {"os.open"},  # does not run on Windows
    "otel/scrape.py": {"socket.SO_REUSEADDR"},  # asks which platform it is
}


def relative(path):
    return path.relative_to(SRC).as_posix()


def particular(tree):
    """What a module takes of the standard library that one of the platforms lacks, or has otherwise."""
    lacking = {name for platform in PLATFORMS for name in stubs.modules_missing(platform)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=given):
                yield from (each.name for each in given if each.name.partition(".")[0] in lacking)
            case ast.ImportFrom(module=module, names=given):
                if module in lacking:
                    yield module
                yield from (f"{module}.{each.name}" for each in given if is_particular(module, each.name))
            case ast.Attribute(value=ast.Name(id=module), attr=name) if is_particular(module, name):
                yield f"{module}.{name}"
            case ast.Constant(value=str(text)) if text.startswith(("/proc/", "/dev/", "/sys/", "/tmp/", "/etc/")):
                yield text


def is_particular(module, name):
    if module not in {"asyncio", "errno", "mmap", "os", "select", "signal", "socket", "sys", "time"}:
        return False
    lacking = any(name in stubs.missing(module, platform) for platform in PLATFORMS)
    return (lacking and name != "platform") or name in DIFFER.get(module, ())


@pytest.mark.parametrize("path", [each for each in MODULES if relative(each) not in KNOW_PLATFORMS], ids=relative)
def test_only_the_modules_for_it_use_what_a_platform_lacks(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert set(particular(tree)) <= MAY_DIFFER.get(relative(path), set())


def test_only_these_modules_ask_which_platform_it_is():
    asking = {relative(path) for path in MODULES if "sys.platform" in path.read_text(encoding="utf-8")}
    assert asking == ASK_WHICH


def test_a_name_that_a_platform_lacks_would_be_noticed():
    tree = ast.parse(
        "import fcntl, os, signal\nfrom os import fork\nos.register_at_fork()\nos.fdatasync(1)\nos.fchmod(1, 2)\n"
        "signal.SIGKILL\nopen('/proc/self/stat')\nos.getpid()\nos.name"
    )
    found = ["fcntl", "os.fork", "os.register_at_fork", "os.fdatasync", "os.fchmod", "signal.SIGKILL", "os.name"]
    assert set(particular(tree)) == {*found, "/proc/self/stat"}


@pytest.mark.skipif(sys.platform != "linux", reason="compares what typeshed says of Linux with this Python")
def test_what_is_missing_elsewhere_is_read_rightly():
    windows, macos = stubs.missing("os", "win32"), stubs.missing("os", "darwin")
    assert {"fork", "getuid", "O_NOFOLLOW", "O_CLOEXEC", "pread", "register_at_fork", "fchmod"} <= windows
    assert {"fdatasync", "sched_getaffinity", "posix_fallocate"} <= macos
    assert not {"getpid", "open", "replace", "link", "urandom", "ftruncate"} & (windows | macos)
    assert {"fcntl", "grp", "pwd", "resource", "termios", "tty"} <= stubs.modules_missing("win32")
