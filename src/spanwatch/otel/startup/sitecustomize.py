"""Loaded by Python at start under `spanwatch run`, in front of the program's own `sitecustomize`."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(__file__)  # noqa: PTH120 (as it stands on the path; pathlib is slow to load)


def _make_way() -> None:
    """Run the sitecustomize that this one stands in front of; its errors are Python's to report."""
    sys.path[:] = [path for path in sys.path if path != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def _begin() -> None:
    try:
        distro = importlib.import_module("spanwatch.otel.distro")
    except Exception as error:  # noqa: BLE001 (another interpreter, without spanwatch)
        if sys.stderr is not None:
            sys.stderr.write(f"spanwatch: this program runs untraced: {sys.executable} cannot import it ({error})\n")
    else:
        distro.attempt(distro.arm)


try:
    _make_way()
finally:
    _begin()
