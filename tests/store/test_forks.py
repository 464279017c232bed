"""What is called around a fork: in order, each, and nothing of what is gone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import time

import pytest

from spanwatch.otel.alerts.patience import Patience
from spanwatch.otel.daemon import Daemon
from spanwatch.store.forks import FORKS, Methods

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


class Noted:
    """Writes its name down when it is called."""

    def __init__(self, name: str, into: list[str], error: BaseException | None = None) -> None:
        self.name, self.into, self.error = name, into, error

    def note(self) -> None:
        self.into.append(self.name)
        if self.error is not None:
            raise self.error


def methods_of(*noted: Noted) -> Methods:
    found = Methods()
    for each in noted:
        found.add(each.note)
    return found


def test_methods_are_called_in_the_order_they_came_in_and_before_a_fork_in_the_other():
    into: list[str] = []
    owners = [Noted(name, into) for name in "abc"]
    methods = methods_of(*owners)
    methods.call()
    methods.call(backwards=True)
    assert into == ["a", "b", "c", "c", "b", "a"]


def test_a_method_is_forgotten_with_its_object_also_where_that_is_in_a_cycle():
    into: list[str] = []
    kept, gone, around = (Noted(name, into) for name in ("kept", "gone", "around"))
    methods = methods_of(kept, gone, around)
    around.into = [around]  # type: ignore[list-item]  # a cycle
    del gone, around
    gc.collect()
    assert len(methods) == 1
    methods.call()
    assert into == ["kept"]


def test_a_method_that_fails_keeps_no_other_from_being_called_and_is_told_once_without_its_text(caplog):
    into: list[str] = []
    owners = [Noted("a", into, ValueError("secret")), Noted("b", into)]
    methods = methods_of(*owners)
    methods.call()
    methods.call()
    assert into == ["a", "b", "a", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        "spanwatch: Noted.note failed around a fork with ValueError; it goes on"
    ]


def test_an_interrupt_passes_after_all_were_called():
    into: list[str] = []
    owners = [Noted("a", into, KeyboardInterrupt()), Noted("b", into)]
    with pytest.raises(KeyboardInterrupt):
        methods_of(*owners).call()
    assert into == ["a", "b"]


def test_what_is_added_or_goes_while_methods_are_called_disturbs_none():
    into: list[str] = []
    methods, late = Methods(), Noted("late", into)

    class Busy:
        def __init__(self) -> None:
            self.others = [Noted(f"{number}", into) for number in range(20)]

        def work(self) -> None:
            self.others.clear()
            methods.add(late.note)

    busy = Busy()
    methods.add(busy.work)
    for other in busy.others:
        methods.add(other.note)
    del other
    methods.call()
    assert into == []
    methods.call()
    assert into == ["late"]


def test_daemons_and_what_hangs_again_and_again_leave_no_handler():
    class Owner:
        def work(self) -> None:
            pass

    owner = Owner()
    before = len(FORKS.latest)
    for _ in range(200):
        Daemon("spanwatch-test", owner.work, owner.work)
    patience = Patience("spanwatch-test-patience")
    patience.end()
    del patience
    until = time.monotonic() + 10
    while len(FORKS.latest) > before and time.monotonic() < until:  # its thread may not be gone yet
        time.sleep(0.01)
        gc.collect()
    assert len(FORKS.latest) <= before


def run(program: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    return subprocess.run(command, check=True, timeout=60, env=plain, capture_output=True, text=True).stdout


def test_the_order_is_that_of_the_system_also_among_the_handlers_of_others():
    said = run("""
        import os
        from spanwatch.store import forks
        def note(text):
            os.write(1, f"{text}\\n".encode())
        class Ours:
            def __init__(self, name):
                self.name = name
                forks.around(before=self.before, parent=self.parent, child=self.child)
            def before(self): note(f"before {self.name}")
            def parent(self): note(f"parent {self.name}")
            def child(self): note(f"child {self.name}")
        def theirs(name):
            os.register_at_fork(**{at: (lambda at=at: note(f"{at.split('_')[-1]} {name}"))
                                   for at in ("before", "after_in_parent", "after_in_child")})
        a, b = Ours("a"), Ours("b")
        theirs("host")
        forks.FORKS.after_others()
        c, d = Ours("c"), Ours("d")
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    """).splitlines()
    order = ["a", "b", "host", "c", "d"]
    assert [line for line in said if line.startswith("before")] == [f"before {name}" for name in reversed(order)]
    for where in ("parent", "child"):
        assert [line for line in said if line.startswith(where)] == [f"{where} {name}" for name in order]


def test_one_handler_is_registered_however_many_objects_ask():
    said = run("""
        import os
        registered = []
        real = os.register_at_fork
        os.register_at_fork = lambda **given: (registered.append(given), real(**given))
        from spanwatch.store import forks
        class Ours:
            def __init__(self): forks.around(child=self.work)
            def work(self): pass
        kept = [Ours() for _ in range(100)]
        print(sum(len(given) for given in registered if any("spanwatch" in f.__module__ for f in given.values())))
        print(len(forks.FORKS.latest))
        del kept
        print(len(forks.FORKS.latest))
    """)
    assert said.split() == ["3", "101", "1"]


def test_a_handler_that_fails_in_a_child_reaches_no_host_and_stops_no_other():
    said = run("""
        import os, sys
        from spanwatch.store import forks
        sys.unraisablehook = lambda _: os.write(1, b"unraisable\\n")
        class Ours:
            def __init__(self, fails):
                self.fails = fails
                forks.around(before=self.work, parent=self.work, child=self.work)
            def work(self):
                if self.fails: raise RuntimeError
                os.write(1, b"called\\n")
        kept = [Ours(True), Ours(False), Ours(True)]
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    """)
    assert said.split() == ["called"] * 3
