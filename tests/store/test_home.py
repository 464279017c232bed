"""The directory of the store: what may lie in the places of its files."""

import threading

import pytest

from spanwatch.core.errors import StoreError
from spanwatch.store import home as places


def test_something_else_in_the_place_of_a_database_file_is_refused(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    places.database_files(tmp_path)[-1].symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is not a regular file; move it away"):
        places.check(tmp_path)


def test_write_ahead_files_that_come_and_go_meanwhile_are_no_error(tmp_path):
    path, stop = places.database_files(tmp_path)[-1], threading.Event()

    def come_and_go():
        while not stop.is_set():
            path.touch()
            path.unlink()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(20_000):
            places.check(tmp_path)
    finally:
        stop.set()
        thread.join()
