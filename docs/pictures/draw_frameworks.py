"""Draw docs/pictures/frameworks: what `spanwatch trace` tells of a run of each framework.

Run `python -m docs.pictures.draw_frameworks [PAGE...]` in the environment of the group `frameworks`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from demo.server import Config, DemoServer
from docs.pictures.draw import svg
from tests.frameworks.setups import SETUPS, environment, run, tree
from tests.frameworks.stub import Stub
from tests.programs import Place

HERE = Path(__file__).resolve().parent / "frameworks"


def main() -> None:
    """Draw those that are named, or all."""
    for setup in SETUPS.values():
        if setup.picture and (setup.page in sys.argv[1:] or not sys.argv[1:]):
            with DemoServer(Config()) as server, Stub() as stub, tempfile.TemporaryDirectory() as folder:
                place = Place(Path(folder), server)
                run(place, setup, environment(server, stub))
                (HERE / f"{setup.page}.svg").write_text(svg(tree(place), "spanwatch trace"), encoding="utf-8")


if __name__ == "__main__":
    main()
