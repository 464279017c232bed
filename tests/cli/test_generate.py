"""`spanwatch generate`: files as they are shipped, where they are wanted."""

import sys
from pathlib import Path

import pytest

from tests.cli.rig import run

SHIPPED = Path(__file__).resolve().parents[2] / "grafana" / "dashboards"


def test_dashboards_are_written_where_they_are_wanted(tmp_path, capsys):
    code, out, err = run(capsys, "generate", "grafana", "--out", str(tmp_path / "here"))
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted(p.name for p in SHIPPED.iterdir())
    assert (tmp_path / "here" / "spanwatch-cost.json").read_text() == (SHIPPED / "spanwatch-cost.json").read_text()
    assert out.split("\n")[0] == str(tmp_path / "here" / "spanwatch-overview.json")


def test_without_the_sdk_it_says_what_to_install(capsys, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.startswith("grafana_foundation_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    code, _, err = run(capsys, "generate", "grafana", "--out", str(tmp_path))
    assert code == 2
    assert "pip install 'spanwatch[grafana]'" in err


@pytest.mark.parametrize("words", [[], ["kibana"]])
def test_what_cannot_be_generated_is_refused(capsys, words):
    assert run(capsys, "generate", *words)[0] == 2


def test_a_directory_that_cannot_be_written_is_named(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "generate", "grafana", "--out", str(tmp_path / "file" / "x"))
    assert code == 2
    assert "cannot be written" in err
