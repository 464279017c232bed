"""`spanwatch price`: one price explained, and what to do when there is none."""

import json

import pytest

from spanwatch.cli.main import main

MINI = ("--provider", "openai", "--model", "gpt-4o-mini", "--at", "2026-11-02T12:00:00Z")
COUNTS = ("--input", "1240", "--cached", "1024", "--output", "86")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SPANWATCH_PRICES", "SPANWATCH_HOME", "SPANWATCH_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def spanwatch(capsys):
    def run(*arguments):
        code = main(["price", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_price_is_explained_line_by_line(spanwatch):
    code, out, err = spanwatch(*MINI, *COUNTS)
    assert (code, err) == (0, "")
    assert out.splitlines()[:8] == [
        "openai gpt-4o-mini at 2026-11-02 12:00:00 UTC",
        "",
        "  unit               count    USD  per     amount",
        "  input_tokens         216   0.15   1M  0.0000324",
        "  cache_read_tokens  1,024  0.075   1M  0.0000768",
        "  output_tokens         86    0.6   1M  0.0000516",
        "  total                                 0.0001608",
        "",
    ]
    facts = dict(line.split(maxsplit=1) for line in out.splitlines()[8:])
    assert (facts["cost"], facts["status"], facts["detail"]) == ("0.0001608 USD", "priced", "openai/gpt-4o-mini")
    assert facts["source"].startswith("genai-prices (genai-prices 0.2.")
    assert facts["data"].startswith("as of 2026-")
    assert "\x1b" not in out


def test_json_has_every_term(spanwatch):
    code, out, _ = spanwatch(*MINI, *COUNTS, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["cost_usd"] == "0.0001608"
    assert found["usage"] == {"input_tokens": 1240, "output_tokens": 86, "cache_read_tokens": 1024}
    assert (found["cost_status"], found["cost_reason"], found["cost_source"]) == ("priced", None, "genai-prices")
    assert found["at"] == "2026-11-02T12:00:00.000000Z"
    assert found["lines"][1] == {
        "unit": "cache_read_tokens",
        "count": 1024,
        "usd": "0.075",
        "per": 1_000_000,
        "amount_usd": "0.0000768",
    }


@pytest.mark.parametrize(
    ("arguments", "dollars"),
    [
        (("--provider", "openai", "--model", "o3", "--input", "1,000", "--at", "2025-05-01"), "0.01"),
        (("--provider", "openai", "--model", "o3", "--input", "1000", "--at", "2026-05-01"), "0.002"),
        (("--provider", "openai", "--model", "o3", "--output", "1000", "--reasoning", "900"), "0.008"),
        (("--provider", "openai", "--model", "o3", "--input", "1000", "--context", "service_tier=flex"), "0.001"),
        (("--provider", "openai", "--model", "gpt-4o", "--unit", "web_searches=2"), "0.02"),
        (("--provider", "openai", "--model", "whisper-1", "--unit", "audio_seconds=61.5"), "0.00615"),
        (
            ("--provider", "anthropic", "--model", "claude-sonnet-4-5", "--input", "9", "--cache-write", "9"),
            "0.00003375",
        ),
        (
            ("--provider", "anthropic", "--model", "claude-sonnet-4-5", "--input", "9", "--cache-write-1h", "9"),
            "0.000054",
        ),
        (("--provider", "openai", "--model", "gpt-4o", "--input", "1000", "--context", "discount=0.5"), "0.00125"),
        (("--model", "gpt-4o", "--input", "1000"), "0.0025"),
    ],
)
def test_every_option_moves_the_price(spanwatch, arguments, dollars):
    code, out, _ = spanwatch(*arguments, "--json")
    assert (code, json.loads(out)["cost_usd"]) == (0, dollars)


def test_a_discount_shows_the_list_price_too(spanwatch):
    _, out, _ = spanwatch(*MINI, "--output", "1000000", "--context", "discount=0.85")
    assert "cost    0.51 USD" in out
    assert "list    0.6 USD before your discount" in out


def test_a_doubt_is_named(spanwatch):
    _, out, _ = spanwatch("--model", "gpt-4o", "--input", "1000")
    assert "status  approximate (provider_assumed)" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--provider", "openai", "--model", "gpt-4o-foo", "--input", "1"), "Listed at openai with a similar name: "),
        (("--provider", "azure", "--model", "prod-chat", "--input", "1"), '  model = "prod-chat"'),
        (("--provider", "nobody", "--model", "m", "--input", "1"), "No list names a provider nobody: check"),
        (("--model", "m", "--input", "1"), "say who serves it, such as --provider openai."),
        (("--provider", "openai", "--model", "gpt-4o"), "Give counts, such as --input 1000 --output 100"),
        (("--provider", "openai", "--model", "o3", "--output", "1", "--reasoning", "2"), "A part is more than its"),
        (("--provider", "github_copilot", "--model", "gpt-4o", "--input", "1"), "What you pay is no price per call"),
    ],
)  # fmt: skip
def test_an_unknown_price_comes_with_a_remedy_and_no_amount(spanwatch, arguments, says):
    code, out, _ = spanwatch(*arguments)
    assert code == 0
    assert "cost    unknown" in out
    assert " USD\n" not in out
    assert says in out
    assert json.loads(spanwatch(*arguments, "--json")[1])["cost_usd"] is None


def test_the_price_file_that_the_remedy_shows_works(spanwatch, tmp_path):
    _, out, _ = spanwatch("--provider", "azure", "--model", "prod-chat", "--input", "1")
    (tmp_path / "my.toml").write_text(out[out.index("  [[price]]") :], encoding="utf-8")
    _, out, _ = spanwatch("--provider", "azure", "--model", "prod-chat", "--input", "1000", "--prices", "my.toml")
    assert "cost    0.0025 USD" in out
    assert "source  your price file (my.toml " in out


def test_a_count_may_be_grouped_and_what_is_none_is_named(spanwatch, capsys):
    assert "input_tokens  1,240,000" in spanwatch("--model", "gpt-4o", "--input", "1,240_000")[1]
    for given in ("1k", "-5", "1.5"):
        with pytest.raises(SystemExit, match=r"\A2\Z"):
            spanwatch("--model", "gpt-4o", f"--input={given}")
        assert f"argument --input: give a whole number from 0, not {given!r}" in capsys.readouterr().err


def test_the_setting_prices_is_in_force(spanwatch, tmp_path, monkeypatch):
    (tmp_path / "my.toml").write_text('[[price]]\nmodel = "m"\nper_second = "0.5"', encoding="utf-8")
    monkeypatch.setenv("SPANWATCH_PRICES", "my.toml")
    _, out, _ = spanwatch("--model", "m", "--context", "duration_s=3")
    assert "cost    1.5 USD" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--unit", "web_searches"), "--unit takes NAME=VALUE, not 'web_searches'"),
        (("--unit", "web_searches=x"), "--unit web_searches takes a number, not 'x'"),
        (("--unit", "web_serches=1"), "unknown unit of usage 'web_serches'; did you mean 'web_searches'?"),
        (("--context", "flex"), "--context takes NAME=VALUE, not 'flex'"),
        (("--context", "discount=11"), "context 'discount' must be 0 or more and at most 10, not '11'"),
        (("--context", "convention=odd"), "context 'convention' must be 'inclusive' or 'exclusive', not 'odd'"),
        (("--at", "soon"), "--at takes an age such as 30m, 1h or 7d, or a time such as 2026-11-26T09:30, not 'soon'"),
        (("--prices", "missing.toml"), "setting prices: missing.toml cannot be read"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(spanwatch, arguments, says):
    code, out, err = spanwatch("--provider", "openai", "--model", "gpt-4o", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("spanwatch: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("--model", "m", "--input", "-1"), ("--model", "m", "--input", "many")])
def test_what_the_parser_refuses_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["price", *arguments])
    assert ended.value.code == 2
    assert "usage: spanwatch price" in capsys.readouterr().err


def test_hostile_names_are_shown_harmless(spanwatch):
    _, out, _ = spanwatch("--model", "\x1b[2Jm", "--provider", "x\ny", "--input", "1")
    assert "\x1b" not in out
    assert "x\\x0ay \\x1b[2Jm at" in out
