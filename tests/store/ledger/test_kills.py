"""SIGKILL at any point: what was settled is there to the nano-dollar, and what was held is freed by its lease."""

import random
import subprocess
import sys
from pathlib import Path

from spanwatch.core.budgets import Amount, Budget, Claim
from spanwatch.core.names import USER_ID
from spanwatch.store.ledger import SQLiteLedger
from tests.store.ledger.rig import NOW, SECOND, START, call_id

KILLS = 20
VICTIM = """
import sys
from pathlib import Path
from spanwatch.store.ledger import SQLiteLedger
from tests.store.ledger.test_kills import NOW, claim
ledger, name = SQLiteLedger(Path(sys.argv[1]), busy_s=60), sys.argv[2]
number = 0
while True:
    number += 1
    call_id = f"{name}-{number}"
    ledger.reserve([claim(10)], call_id, NOW, 3600)
    print("reserved", number, flush=True)
    ledger.settle([claim(number)], call_id, NOW)
    print("settled", number, flush=True)
"""


def claim(nano):
    counter = Budget("kills", 9_000, window="lifetime", per="user.id").counter({USER_ID: "u"}, START)
    return Claim(counter, Amount(nano))


def killed(home, name, after):
    """The last lines of a process that was killed after it had settled so many calls."""
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", VICTIM, str(home), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        lines = []
        while len(lines) < 2 * after:
            lines.append(process.stdout.readline().split())
        process.kill()
        lines += [line.split() for line in process.stdout.read().split("\n")]
    told = {"reserved": [0], "settled": [0]}
    for line in lines:
        if len(line) == 2:
            told[line[0]].append(int(line[1]))
    return max(told["reserved"]), max(told["settled"])


def test_20_kills_in_the_middle_of_work_lose_and_invent_nothing(tmp_path):
    chance, expected, held = random.Random(5), 0, 0
    for turn in range(KILLS):
        name = f"victim-{turn}"
        reserved, settled = killed(tmp_path, name, chance.randrange(1, 40))
        ledger = SQLiteLedger(tmp_path)
        # Of the step that the kill met nobody was told; the ledger says whether it happened, and it is repeated.
        repeated = ledger.settle([claim(settled + 1)], f"{name}-{settled + 1}", NOW)
        expected += sum(range(1, settled + 2))
        assert ledger.settle([claim(settled)], f"{name}-{settled}", NOW).first is False
        assert reserved - settled in {0, 1}
        assert isinstance(repeated.first, bool)
        tally = ledger.standing(claim(0).counter).tally
        held = tally.held_nano
        assert tally.spent_nano == expected, f"after kill {turn + 1}"
        ledger.close()
    assert held in range(0, 10 * KILLS + 1, 10)
    ledger = SQLiteLedger(tmp_path)
    ledger.release(call_id(), NOW + 3_600 * SECOND)
    assert ledger.standing(claim(0).counter).tally.held_nano == 0
    ledger.close()


def test_a_kill_while_a_call_runs_frees_what_it_held_when_its_lease_ends(tmp_path):
    code = VICTIM.replace('print("reserved", number, flush=True)', "print('held', flush=True); sys.stdin.read()")
    command = [sys.executable, "-c", code, str(tmp_path), "victim"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[3], **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        process.kill()
    ledger = SQLiteLedger(tmp_path)
    ledger.release(call_id(), NOW + 3_599 * SECOND)
    assert ledger.standing(claim(0).counter).tally.held_nano == 10
    ledger.release(call_id(), NOW + 3_600 * SECOND)
    assert ledger.standing(claim(0).counter).tally.held_nano == 0
    ledger.close()
