"""Programs as users have them, in a directory of their own, run as child processes against the demo server."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap

from spanwatch.store.projection import project

CHAT = """
import openai
client = openai.OpenAI(max_retries=0)
def chat(**more):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], **more)
"""
PYTHON = sys.executable


class Place:
    """A user's directory with programs in it."""

    def __init__(self, path, server):
        self.path = path
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
        self.environ = {**clean, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "demo"}

    def write(self, code, name="app.py"):
        file = self.path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(CHAT + textwrap.dedent(code), encoding="utf-8")
        return file

    def command(self, *words, options=()):
        return [PYTHON, "-m", "spanwatch", "run", *options, "--", *words]

    def run(self, *words, options=(), **environ):
        return subprocess.run(
            self.command(*words, options=options),
            cwd=self.path,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def python(self, code, **environ):
        """Run a program by itself."""
        return subprocess.run(
            [PYTHON, str(self.write(code))],
            cwd=self.path,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def verb(self, *words, **environ):
        """Run a verb of the command line on what the programs left."""
        return subprocess.run(
            [PYTHON, "-m", "spanwatch", *words],
            cwd=self.path,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def app(self, code, *arguments, options=(), **environ):
        """Run a program under `spanwatch run`."""
        return self.run(PYTHON, str(self.write(code)), *arguments, options=options, **environ)

    def rows(self, sql):
        project(self.path / ".spanwatch")
        with contextlib.closing(sqlite3.connect(self.path / ".spanwatch" / "store.db")) as db:
            return db.execute(sql).fetchall()

    def calls(self):
        """The number of stored calls, each once."""
        rows = self.rows("SELECT call_id FROM calls WHERE counted")
        assert len(set(rows)) == len(rows)
        return len(rows)
