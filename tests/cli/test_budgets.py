"""`spanwatch budgets` and `spanwatch run --budget` on real programs."""

import itertools
import json
import re

import pytest

from demo.server import Config, DemoServer
from spanwatch.cli.main import main
from tests.programs import PYTHON, Place

BUDGETED = """
import spanwatch
spanwatch.configure(budgets=[
    spanwatch.Budget("per-user", usd="0.001", per="user"), spanwatch.Budget("all", tokens=10_000, window="lifetime")])
"""


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server)


@pytest.fixture
def spent(place, monkeypatch):
    """Two users who have spent."""
    answer = place.python(
        BUDGETED
        + """
for user, times in (("u-1", 2), ("u-2", 1)):
    with spanwatch.request(user_id=user):
        for _ in range(times):
            chat(max_tokens=100)
"""
    )
    assert answer.returncode == 0, answer.stderr
    monkeypatch.setenv("SPANWATCH_HOME", str(place.path / ".spanwatch"))
    return place


def said(capsys, *words):
    code = main(["budgets", *words])
    out = capsys.readouterr()
    return code, out.out, out.err


def in_view(capsys):
    """The budgets of `spanwatch top --once`: a line each, as cells."""
    assert main(["top", "--once"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next((at for at, line in enumerate(lines) if re.match(r"budget\s+scope", line)), None)
    assert start is not None, lines
    return [re.split(r"\s{2,}", line.strip()) for line in itertools.takewhile(str.strip, lines[start + 1 :])]


def test_the_live_view_shows_them_while_no_process_runs(spent, capsys):
    lines = in_view(capsys)
    assert [[line[0], line[1], *line[3:]] for line in lines] == [
        ["per-user", "user.id=u-1", "8%", "ok", "$0.000084", "$0.001000"],
        ["all", "everything", "5%", "ok", "-", "-"],
        ["per-user", "user.id=u-2", "4%", "ok", "$0.000042", "$0.001000"],
    ]
    assert said(capsys, "raise", "per-user", "--usd", "0.009", "--scope", "user.id=u-1")[0] == 0
    assert [line[5:] for line in in_view(capsys) if line[1] == "user.id=u-1"] == [["$0.000084", "$0.010000"]]


def test_the_live_view_tells_the_budgets_of_processes_apart_that_keep_them_in_memory(place, monkeypatch, capsys):
    for times in (1, 2):
        answer = place.python(f"""
import spanwatch
spanwatch.configure(ledger="memory", live_interval=1, budgets=[spanwatch.Budget("own", usd="0.001")])
for _ in range({times}):
    chat(max_tokens=100)
""")
        assert answer.returncode == 0, answer.stderr
    monkeypatch.setenv("SPANWATCH_HOME", str(place.path / ".spanwatch"))
    lines = in_view(capsys)
    assert [[line[0], line[3]] for line in lines] == [["own", "8%"], ["own", "4%"]]
    first, second = (line[1] for line in lines)
    assert first != second
    assert re.fullmatch(r"everything in (\S+ )?\d+", first)


def test_the_live_view_makes_no_ledger_and_outlives_one_that_cannot_be_used(place, monkeypatch, capsys):
    assert place.python("import spanwatch\nspanwatch.configure()\nchat()").returncode == 0
    home = place.path / ".spanwatch"
    monkeypatch.setenv("SPANWATCH_HOME", str(home))
    assert main(["top", "--once"]) == 0
    assert not (home / "budgets.db").exists()
    (home / "budgets.db").write_bytes(b"this is no database, whatever it is called" * 100)
    capsys.readouterr()
    assert main(["top", "--once"]) == 0
    assert "gpt-4o-mini" in capsys.readouterr().out


def test_the_accounts_that_spent_most_are_listed(spent, capsys):
    code, out, _ = said(capsys)
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    assert code == 0
    assert lines[0] == ["budget", "scope", "spent", "reserved", "limit", "used", "resets at"]
    assert lines[2][:6] == ["per-user", "user.id=u-1", "$0.000084", "$0", "$0.001", "8.4 %"]
    assert lines[3][:6] == ["per-user", "user.id=u-2", "$0.000042", "$0", "$0.001", "4.2 %"]
    assert lines[1] == ["all", "everything", "504 tokens", "0 tokens", "10,000 tokens", "5.0 %", "never"]


def test_one_account_as_json_is_exact(spent, capsys):
    code, out, _ = said(capsys, "--scope", "user=u-1", "--json")
    (account,) = map(json.loads, out.splitlines())
    assert code == 0
    assert account.pop("resets_at").endswith("T00:00:00+00:00")
    assert account == {
        "name": "per-user",
        "scope": "user.id=u-1",
        "unit": "usd",
        "cost": "0.000084",
        "budget": "0.001",
        "remaining": "0.000916",
        "reserved": "0",
        "percentage": 8.4,
        "tokens": 336,
        "token_limit": None,
        "unpriced_calls": 0,
    }


def test_reset_and_raise_work_and_are_logged_with_who_and_when(spent, capsys):
    assert said(capsys, "raise", "per-user", "--scope", "user.id=u-1", "--usd", "0.5", "--by", "ops")[:2] == (
        0,
        "raised per-user by $0.5: user.id=u-1, until its window ends\n",
    )
    assert said(capsys, "reset", "per-user", "--scope", "user.id=u-2")[1] == "reset per-user: user.id=u-2\n"
    assert said(capsys, "reset", "all", "--all", "--by", "ops")[1] == "reset all: every account\n"
    accounts = {a["scope"]: a for a in map(json.loads, said(capsys, "--json")[1].splitlines())}
    assert (accounts["user.id=u-1"]["cost"], accounts["user.id=u-1"]["budget"]) == ("0.000084", "0.501")
    assert (accounts["user.id=u-2"]["cost"], accounts[""]["cost"]) == ("0", 0)
    log = [json.loads(line) for line in said(capsys, "log", "--json")[1].splitlines()]
    assert [(a["action"], a["name"], a["scope"]) for a in log] == [
        ("reset", "all", None),
        ("reset", "per-user", "user.id=u-2"),
        ("raise", "per-user", "user.id=u-1"),
    ]
    assert (log[2]["who"], log[2]["usd"]) == ("ops", "0.5")
    assert "@" in log[1]["who"]
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", a["at"]) for a in log)
    assert "ops  raise per-user by $0.5: user.id=u-1" in said(capsys, "log")[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["reset", "b"], "say whose account"),
        (["reset", "--all"], "name the budget"),
        (["raise", "b"], "say by how much"),
        (["raise", "b", "--usd", "1"], "has no account"),
        (["raise", "b", "--usd", "much"], "--usd must be a number"),
        (["raise", "b", "--tokens", "-1"], "--tokens must be a whole number"),
        (["--scope", "usr=1"], "did you mean 'user'"),
    ],
)
def test_wrong_use_says_what_to_do(tmp_path, capsys, monkeypatch, words, text):
    monkeypatch.setenv("SPANWATCH_HOME", str(tmp_path))
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    assert text in err


def test_a_ledger_in_memory_can_be_asked_by_its_own_process_only(capsys, monkeypatch):
    monkeypatch.setenv("SPANWATCH_LEDGER", "memory")
    code, _, err = said(capsys)
    assert code == 2
    assert "spanwatch.budgets.status()" in err


def test_declared_budgets_of_the_file_are_listed_before_anybody_spends(tmp_path, capsys, monkeypatch):
    (tmp_path / "spanwatch.toml").write_text('[[budgets]]\nname = "all"\nusd = 5\nwindow = "lifetime"\n')
    monkeypatch.chdir(tmp_path)
    code, out, _ = said(capsys)
    assert code == 0
    assert re.split(r"\s{2,}", out.splitlines()[1]) == ["all", "everything", "$0", "$0", "$5", "0.0 %", "never"]


# spanwatch run --budget --------------------------------------------------------------------------------------------

LOOP = """
import spanwatch
done = 0
try:
    while done < 50:
        chat(max_tokens=100)
        done += 1
except spanwatch.BudgetExceeded as error:
    print(type(error).__name__, done)
"""


def test_a_run_that_hits_its_budget_ends_with_3_and_says_so(place):
    answer = place.app(LOOP, options=("--budget", "0.0005"))
    assert answer.returncode == 3, answer.stderr
    word, done = answer.stdout.split()
    assert word == "BudgetExceeded"
    assert place.calls() == int(done) > 5
    (line,) = [line for line in answer.stderr.splitlines() if "was hit" in line]
    spent = re.search(r"budget 'run-[0-9a-f]{8}' was hit: ([\d.]+) of 0.0005 USD are spent; exit code 3", line)[1]
    assert round(float(spent) * 1e9) == int(done) * 42_000


def test_a_run_within_its_budget_ends_as_it_would_and_the_next_run_starts_at_zero(place):
    for _ in range(2):
        answer = place.app(LOOP.replace("50", "3") + "\nimport sys; sys.exit(7)", options=("--budget", "0.0003"))
        assert answer.returncode == 7, answer.stderr
        assert "was hit" not in answer.stderr


def test_an_uncaught_refusal_ends_with_3_too_and_a_named_budget_lasts(place):
    code = "for _ in range(4): chat(max_tokens=100)"
    first = place.app(code, options=("--budget", "team=0.0003/day"))
    assert first.returncode == 0, first.stderr
    second = place.app(code, options=("--budget", "team=0.0003/day"))
    assert second.returncode == 3
    assert "spanwatch.BudgetExceeded: budget 'team' (everything): of 0.0003 USD" in second.stderr


def test_all_processes_of_a_run_share_its_budget_even_without_a_store(place):
    code = """
    import subprocess, sys
    if len(sys.argv) == 1:
        codes = [subprocess.run([sys.executable, __file__, "child"]).returncode for _ in range(3)]
        print(codes)
    else:
        for _ in range(4): chat(max_tokens=100)
    """
    answer = place.app(code, options=("--budget", "0.0003"), SPANWATCH_STORE="off")
    assert (answer.returncode, answer.stdout) == (3, "[0, 1, 1]\n"), answer.stderr


def test_a_budget_adds_to_those_that_the_program_sets_itself(place):
    code = BUDGETED.replace("0.001", "1") + LOOP
    answer = place.app(code, options=("--budget", "0.0003"))
    assert answer.returncode == 3, answer.stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--budget", "a lot"), "no budget: 'a lot'"),
        (("--budget", "5", "--budget", "6"), "a name of its own"),
    ],
)
def test_a_wrong_budget_is_told_before_the_program_starts(place, options, text):
    answer = place.app("print('ran')", options=options)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert text in answer.stderr


def test_a_run_with_a_budget_does_not_start_where_nobody_can_keep_it(place):
    answer = place.run(PYTHON, "-c", "print('ran')", options=("--budget", "5"), SPANWATCH_LEDGER="memory")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--budget needs a ledger that processes share" in answer.stderr
