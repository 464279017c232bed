"""Secrets of notifiers: named, never shown. `env:NAME` is an environment variable, `file:PATH` a file, else a value."""

from __future__ import annotations

import os
from pathlib import Path

from spanwatch.core.errors import ConfigurationError

MAX_BYTES = 65_536


class Secret:
    """What a notifier needs and nobody may see; read anew at each use, so that it can be changed where it lies."""

    __slots__ = ("_from",)

    def __init__(self, given: str | Secret) -> None:
        self._from: str = given._from if isinstance(given, Secret) else given  # noqa: SLF001 (our own)
        if not isinstance(self._from, str) or not self._from.strip():
            raise ConfigurationError("a secret is text: env:NAME, file:PATH, or the value")
        if self.is_named:
            self.reveal()

    @property
    def is_named(self) -> bool:
        """Whether it lies elsewhere than in the code."""
        return self._from.startswith(("env:", "file:"))

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            ConfigurationError: there is no such variable, or the file cannot be read, or there is nothing in it.
        """
        kind, _, name = self._from.partition(":")
        if kind == "env":
            value = os.environ.get(name, "").strip()
            if not value:
                raise ConfigurationError(f"environment variable {name} is not set: give it the secret")
            return value
        if kind == "file":
            try:
                with Path(name).open(encoding="utf-8") as file:
                    value = file.read(MAX_BYTES).strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"the secret's file {name} cannot be read: {type(error).__name__}") from None
            if not value:
                raise ConfigurationError(f"the secret's file {name} is empty: write the secret into it")
            return value
        return self._from

    def __repr__(self) -> str:
        return f"Secret({self._from!r})" if self.is_named else "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._from == self._from

    def __hash__(self) -> int:
        return hash(self._from)
