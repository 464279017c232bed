"""`spanwatch prices`: what is in force, and an update that is fetched, checked, pinned and undone."""

import hashlib
import http.server
import json
import threading

import pytest

from spanwatch.cli import price_fetch
from spanwatch.cli.main import main
from spanwatch.core.errors import PriceDataError, UsageError
from tests.core.prices.rig import data_file, raw_data


class Server(http.server.ThreadingHTTPServer):
    """Answers with whatever the test lays out by path."""

    daemon_threads = True

    def __init__(self):
        self.answers = {}
        self.seen = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPANWATCH_HOME", str(tmp_path / "home"))
    for name in ("SPANWATCH_PRICES", "SPANWATCH_CONFIG", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def spanwatch(capsys):
    def run(*arguments):
        code = main(list(arguments))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def dearer():
    """Data in which gpt-4o costs twice as much."""
    raw = raw_data()
    (model,) = [m for p in raw if p["id"] == "openai" for m in p["models"] if m["id"] == "gpt-4o"]
    model["prices"] = {key: str(2 * float(value)) for key, value in model["prices"].items()}
    return json.dumps(raw).encode()


def digest(content):
    return hashlib.sha256(content).hexdigest()


def gpt_4o(spanwatch):
    arguments = ("--provider", "openai", "--model", "gpt-4o", "--input", "1000000", "--json")
    return json.loads(spanwatch("price", *arguments)[1])["cost_usd"]


def test_what_is_in_force_is_shown(spanwatch):
    code, out, err = spanwatch("prices")
    found = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert (code, err) == (0, "")
    assert found["data"].startswith("as of 2026-")
    assert found["contents"].endswith(" providers")
    assert found["corrections"].endswith("that spanwatch ships, in front of the data")
    assert "your prices  none (setting prices)" in out
    assert "installed" not in out


def test_json_has_the_same(spanwatch, tmp_path, monkeypatch):
    (tmp_path / "my.toml").write_text('[[price]]\nmodel = "m"\nfree = true', encoding="utf-8")
    monkeypatch.setenv("SPANWATCH_PRICES", "my.toml")
    found = json.loads(spanwatch("prices", "--json")[1])
    assert found["models"] > 2000
    assert (found["price_file"], found["price_file_entries"], found["installed"]) == ("my.toml", 1, None)
    assert "1 in my.toml, in front of everything" in spanwatch("prices")[1]


def test_a_price_file_is_checked(spanwatch, tmp_path):
    (tmp_path / "my.toml").write_text('[[price]]\nmodel = "m"\nfree = true', encoding="utf-8")
    assert spanwatch("prices", "check", "my.toml") == (0, "my.toml is right: 1 price\n", "")


def test_the_help_shows_what_a_price_file_says(capsys):
    with pytest.raises(SystemExit):
        main(["prices", "check", "--help"])
    shown = capsys.readouterr().out
    assert "[[price]]" in shown
    assert 'prices = { input_mtok = "2.50", output_mtok = "10" }' in shown


def test_a_wrong_price_file_is_told_with_its_place(spanwatch, tmp_path):
    (tmp_path / "my.toml").write_text('[[price]]\nmodel = "m"\nfee = true', encoding="utf-8")
    code, out, err = spanwatch("prices", "check", "my.toml")
    assert (code, out) == (1, "")
    assert err.startswith("spanwatch: my.toml: entry 1 (any provider/m): fee = True: unknown key")
    code, _, err = spanwatch("prices", "check", "missing.toml")
    assert (code, err) == (
        2,
        "spanwatch: missing.toml cannot be read: [Errno 2] No such file or directory: 'missing.toml'\n",
    )


def test_without_a_hash_an_update_compares_and_changes_nothing(spanwatch, server, home):
    content = dearer()
    server.answers["/data.json"] = (200, {}, content)
    code, out, err = spanwatch("prices", "update", "--url", f"{server.url}/data.json")
    assert (code, err) == (0, "")
    assert "0 new models, 1 with other prices, 0 gone" in out
    assert f"sha256 {digest(content)}" in out
    assert f"  spanwatch prices update --sha256 {digest(content)} --url {server.url}/data.json" in out
    assert not home.exists()
    assert gpt_4o(spanwatch) == "2.5"
    (request,) = server.seen
    assert request[0] == "/data.json"
    assert request[1]["User-Agent"].startswith("spanwatch/")


def test_with_its_hash_the_data_is_installed_for_programs_that_start_from_then_on(spanwatch, server, home):
    content = dearer()
    server.answers["/data.json"] = (200, {}, content)
    update = ("prices", "update", "--url", f"{server.url}/data.json", "--sha256", digest(content).upper())
    code, out, err = spanwatch(*update)
    assert (code, err) == (0, "")
    assert f"Installed in {home / 'prices'}" in out
    assert gpt_4o(spanwatch) == "5"
    assert (home / "prices").stat().st_mode & 0o777 == 0o700
    shown = spanwatch("prices")[1]
    assert f"genai-prices data {digest(content)[:12]}" in shown
    assert f"from {server.url}/data.json" in shown
    assert "to return to the shipped data" in shown
    assert spanwatch(*update)[0] == 0
    assert [path.name for path in (home / "prices").iterdir() if path.name.startswith(".")] == []


def test_other_data_than_the_pinned_is_refused(spanwatch, server, home):
    server.answers["/data.json"] = (200, {}, dearer())
    code, out, err = spanwatch("prices", "update", "--url", f"{server.url}/data.json", "--sha256", "0" * 64)
    assert (code, out) == (1, "")
    assert f"has the hash {digest(dearer())}, not {'0' * 64}: nothing was changed" in err
    assert not home.exists()


def test_the_last_good_data_is_kept_and_used_when_the_newest_is_damaged(spanwatch, server, home, caplog):
    for content in (data_file(), dearer()):
        server.answers["/d"] = (200, {}, content)
        spanwatch("prices", "update", "--url", f"{server.url}/d", "--sha256", digest(content))
    assert gpt_4o(spanwatch) == "5"
    (home / "prices" / f"{digest(dearer())}.json").write_bytes(b"[]")
    assert gpt_4o(spanwatch) == "2.5"
    assert f"price data {digest(dearer())[:12]} is set aside" in caplog.text
    assert f"genai-prices data {digest(data_file())[:12]}" in spanwatch("prices")[1]
    (home / "prices" / "current.json").write_bytes(b"\xff")
    assert gpt_4o(spanwatch) == "2.5"
    assert "the shipped data is in force" in caplog.text


def test_only_the_newest_and_the_one_before_are_kept(spanwatch, server, home):
    for number in range(4):
        content = data_file() + b" " * number
        server.answers["/d"] = (200, {}, content)
        assert spanwatch("prices", "update", "--url", f"{server.url}/d", "--sha256", digest(content))[0] == 0
    kept = {path.stem for path in (home / "prices").iterdir()}
    assert kept == {"current", digest(data_file() + b" " * 3), digest(data_file() + b" " * 2)}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, {}, b""), "answers 404 Not Found: nothing was changed"),
        ((500, {}, b"no"), "answers 500 Internal Server Error: nothing was changed"),
        ((200, {}, b"<html>login</html>"), "not a data file of genai-prices"),
        ((200, {}, b"[]"), "is refused, nothing was changed: "),
        ((200, {"Content-Length": "100"}, b"["), "cannot be fetched"),
        ((200, {}, b" " * (16 * 1024 * 1024 + 1)), "has more than 16777216 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_the_data_in_force_stays(spanwatch, server, home, answer, says):
    server.answers["/d"] = answer
    code, out, err = spanwatch("prices", "update", "--url", f"{server.url}/d", "--sha256", digest(answer[2]))
    assert (code, out) == (1, "")
    assert says in err
    assert err.count("\n") == 1
    assert not home.exists()


def test_a_server_that_is_not_there_is_told(spanwatch, server):
    url = f"{server.url}/d"
    server.shutdown()
    server.server_close()
    code, _, err = spanwatch("prices", "update", "--url", url)
    assert code == 1
    assert f"{url} cannot be fetched: " in err


def test_a_redirect_is_followed_only_to_where_a_url_may_point(spanwatch, server):
    server.answers["/good"] = (302, {"Location": f"{server.url}/d"}, b"")
    server.answers["/d"] = (200, {}, data_file())
    server.answers["/bad"] = (302, {"Location": "http://prices.example/d"}, b"")
    assert spanwatch("prices", "update", "--url", f"{server.url}/good")[0] == 0
    code, _, err = spanwatch("prices", "update", "--url", f"{server.url}/bad")
    assert code == 2
    assert "not 'http://prices.example/d'" in err


@pytest.mark.parametrize(
    "url", ["", "data.json", "file:///etc/passwd", "ftp://h/d", "http://prices.example/d", "https://", "http://[", "http://127.0.0.1.example/"]
)  # fmt: skip
def test_only_https_or_this_machine_is_fetched_from(url):
    with pytest.raises(UsageError, match="--url takes an https URL"):
        price_fetch.fetched(url)


def test_a_server_that_says_nothing_is_given_up(server):
    server.shutdown()  # it still accepts, and never answers
    with pytest.raises(PriceDataError, match="cannot be fetched"):
        price_fetch.fetched(server.url, timeout_s=0.2)


def test_a_hash_that_is_none_is_wrong_use(spanwatch):
    code, _, err = spanwatch("prices", "update", "--sha256", "abc")
    assert (code, err) == (2, "spanwatch: --sha256 takes 64 hexadecimal digits, not 'abc'\n")


def test_a_directory_that_cannot_be_written_is_told(spanwatch, server, home):
    home.write_text("in the way", encoding="utf-8")
    server.answers["/d"] = (200, {}, data_file())
    code, _, err = spanwatch("prices", "update", "--url", f"{server.url}/d", "--sha256", digest(data_file()))
    assert code == 1
    assert f"{home / 'prices'} cannot be written: " in err
