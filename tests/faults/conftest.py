import sys

import pytest

from tests.faults.rig import Rig, SinkProcess


@pytest.fixture
def sink():
    sink = SinkProcess()
    yield sink
    sink.close()


@pytest.fixture
def rig(tmp_path, sink):
    if sys.platform == "win32":
        pytest.skip("forks")
    rig = Rig(tmp_path, sink)
    yield rig
    rig.close()
