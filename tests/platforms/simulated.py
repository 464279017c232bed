"""Another platform in this process, as far as Python can tell: `python -m tests.platforms.simulated PLATFORM ...`

After PLATFORM ("win32" or "darwin") come `-m MODULE ...` or `FILE ...`, run with the modules of spanwatch loaded anew:

- names and modules of the standard library that the platform lacks (by typeshed) are gone;
- on Windows `msvcrt.locking` keeps other descriptors and processes out, `os.open` opens as text unless told otherwise,
  open files cannot be removed nor renamed, and directories know no sizes of files that are open.

Not simulated: `os.name`, paths with backslashes, the code page of a console, and all that is not Python.
"""

import contextlib
import errno
import importlib
import importlib.abc
import io
import itertools
import os
import pkgutil
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

import openai

from tests.platforms import stubs

FAR = 1 << 30
O_BINARY, O_NOINHERIT = 0x8000_0000, 0x4000_0000  # higher than any flag of Linux
NEEDED = {
    "AF_UNIX",
    "WNOHANG",
    "WIFSTOPPED",
    "WSTOPSIG",
    "waitstatus_to_exitcode",
    "sched_yield",
    "uname",
    "SIGKILL",
}  # by the library itself


def loaded_on_linux(package="spanwatch"):
    """Load everything that a package loads, while the library is whole, and forget the package itself again."""
    openai.OpenAI(api_key="none").chat.completions  # noqa: B018 (loads what the client loads late)
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if module.name.rpartition(".")[2] not in {"__main__", "sitecustomize"}:
            importlib.import_module(module.name)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


class Absent(importlib.abc.MetaPathFinder):
    """Modules that are not there."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r} on {sys.platform}", name=fullname)


def take_away(platform):
    tempfile._O_TMPFILE_WORKS = False  # the library asks what it was built for, not what is there
    subprocess._USE_POSIX_SPAWN = False
    gone = stubs.modules_missing(platform)
    for name in gone:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Absent(gone))
    for module in (os, signal, socket, time):
        for name in stubs.missing(module.__name__, platform) - NEEDED:
            with contextlib.suppress(AttributeError):
                delattr(module, name)


# Windows ----------------------------------------------------------------------------------------------------------


def windows():
    import fcntl  # noqa: PLC0415 (gone in a moment)

    flock, exclusive, free = fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
    take_away("win32")
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.LK_UNLCK, msvcrt.LK_LOCK, msvcrt.LK_NBLCK = 0, 1, 2

    def locking(descriptor, mode, nbytes):
        assert os.lseek(descriptor, 0, os.SEEK_CUR) >= FAR, f"{nbytes} bytes here keep others from reading"
        if mode == msvcrt.LK_UNLCK:
            flock(descriptor, free)
            return
        for _ in range(10 if mode == msvcrt.LK_LOCK else 1):
            with contextlib.suppress(BlockingIOError):
                flock(descriptor, exclusive)
                return
            time.sleep(mode == msvcrt.LK_LOCK)
        raise OSError(errno.EDEADLK if mode == msvcrt.LK_LOCK else errno.EACCES, "Permission denied")

    msvcrt.locking = locking
    sys.modules["msvcrt"] = msvcrt
    io._WindowsConsoleIO = type("_WindowsConsoleIO", (), {})  # pytest asks for it
    shutil.disk_usage = lambda _path: shutil._ntuple_diskusage(1 << 40, 1 << 39, 1 << 39)
    socket.SO_EXCLUSIVEADDRUSE = socket.SO_REUSEADDR  # which on Linux is as exclusive
    signal.SIGBREAK = signal.SIGINT
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile
    _as_text_unless_binary()
    _open_files_stay()
    sys.platform = "win32"


def _as_text_unless_binary():
    opened, write, read, close, dup, fdopen = os.open, os.write, os.read, os.close, os.dup, os.fdopen
    text = set()
    os.O_BINARY, os.O_NOINHERIT = O_BINARY, O_NOINHERIT

    def open_(path, flags, mode=0o777, **more):
        descriptor = opened(path, flags & ~(O_BINARY | O_NOINHERIT), mode, **more)
        (text.discard if flags & O_BINARY else text.add)(descriptor)
        return descriptor

    def write_(descriptor, data):
        if descriptor not in text:
            return write(descriptor, data)
        return write(descriptor, bytes(data).replace(b"\n", b"\r\n")) and len(data)

    def read_(descriptor, size):
        data = read(descriptor, size)
        return data.replace(b"\r\n", b"\n").partition(b"\x1a")[0] if descriptor in text else data

    def close_(descriptor):
        text.discard(descriptor)
        close(descriptor)

    def dup_(descriptor):
        copy = dup(descriptor)
        (text.add if descriptor in text else text.discard)(copy)
        return copy

    def fdopen_(descriptor, *arguments, **more):
        text.discard(descriptor)  # Python's own files set theirs to binary
        return fdopen(descriptor, *arguments, **more)

    os.open, os.write, os.read, os.close, os.dup, os.fdopen = open_, write_, read_, close_, dup_, fdopen_


def _open_files_stay():
    unlink, rename, replace, scandir = os.unlink, os.rename, os.replace, os.scandir

    def unlink_(path, **more):
        _refuse_if_open(path)
        unlink(path, **more)

    def rename_(source, target, **more):
        _refuse_if_open(source)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", os.fspath(target))
        rename(source, target, **more)

    def replace_(source, target, **more):
        _refuse_if_open(source)
        _refuse_if_open(target)
        replace(source, target, **more)

    os.unlink = os.remove = unlink_
    os.rename, os.replace = rename_, replace_
    os.scandir = lambda path=".": Listing(scandir(path))
    shutil._use_fd_functions = False  # Windows has none of those


class Listing:
    """What `os.scandir` gives."""

    def __init__(self, entries):
        self._entries, self.close = entries, entries.close

    def __iter__(self):
        return self

    def __next__(self):
        return Entry(next(self._entries))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()


class Entry:
    """A directory's entry: sizes and times of files that are open are old in it."""

    def __init__(self, entry):
        self._entry, self.name, self.path = entry, entry.name, entry.path

    def stat(self, *, follow_symlinks=True):
        found = self._entry.stat(follow_symlinks=follow_symlinks)
        return os.stat_result((*found[:6], 0, 0, 0, 0)) if is_open(self.path) else found

    def __getattr__(self, name):
        return getattr(self._entry, name)

    def __fspath__(self):
        return self.path


def _refuse_if_open(path):
    if is_open(path):
        raise PermissionError(
            errno.EACCES, "The process cannot access the file because it is being used", os.fspath(path)
        )


def is_open(path):
    """Whether a process of this machine (that we may look into) has the file open."""
    try:
        wanted = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    mine = set(os.listdir("/proc/self/fd"))
    for descriptors in itertools.chain(
        ["/proc/self/fd"], (f"/proc/{pid}/fd" for pid in os.listdir("/proc") if pid.isdigit())
    ):
        with contextlib.suppress(OSError):
            for number in mine if descriptors == "/proc/self/fd" else os.listdir(descriptors):
                with contextlib.suppress(OSError):
                    there = os.stat(f"{descriptors}/{number}")
                    if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                        return True
    return False


# macOS ------------------------------------------------------------------------------------------------------------


def macos():
    import fcntl  # noqa: PLC0415 (Windows has none)

    take_away("darwin")
    real = fcntl.fcntl
    fcntl.F_FULLFSYNC = 51
    fcntl.asked = []

    def control(descriptor, command, argument=0):
        if command == fcntl.F_FULLFSYNC:
            fcntl.asked.append(descriptor)
            os.fsync(descriptor)
            return 0
        return real(descriptor, command, argument)

    fcntl.fcntl = control
    sys.platform = "darwin"


def main(platform, *arguments):
    loaded_on_linux()
    {"win32": windows, "darwin": macos}[platform]()
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
