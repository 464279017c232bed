"""What may leave the process: no secret, never too long, at a cost that grows with the length only."""

import json
import string
import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import bench_redact
from spanwatch.core.redact import MAX_REDACTED, Redactor, redact
from spanwatch.core.secret_shapes import REDACTED, may_hold, secrets, sort_of

# Shapes of real keys with made-up bodies, put together here so that no scanner takes this file for a leak.
BODY = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
HEX = "0123456789abcdef0123456789abcdef"
JWT = f"eyJhbGciOiJIUzI1NiJ9.{'eyJzdWIiOiIxMjM0In0'}.{BODY}"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END RSA PRIVATE KEY-----"
SECRETS = [
    "sk-proj-" + BODY,
    "sk-ant-api03-" + BODY,
    "sk-or-v1-" + HEX,
    "pk-lf-" + "1234abcd-12ab-34cd-56ef-1234567890ab",
    "sk_live_" + BODY,
    "rk_test_" + BODY,
    "whsec_" + BODY,
    "ghp_" + BODY,
    "github_pat_" + BODY,
    "glpat-" + BODY,
    "xoxb-" + "123456789012-abcdefABCDEF",
    "xapp-" + "1-A012-345-abcdef",
    "AIza" + BODY,
    "ya29." + BODY,
    "GOCSPX-" + BODY,
    "AKIA" + "ABCDEFGH12345678",
    "ASIA" + "ABCDEFGH12345678",
    "ABSK" + BODY + "ab==",
    "hf_" + BODY,
    "gsk_" + BODY,
    "xai-" + BODY,
    "pplx-" + BODY,
    "r8_" + BODY,
    "nvapi-" + BODY,
    "tvly-" + BODY,
    "lsv2_pt_" + BODY,
    "pylf_v1_eu_" + BODY,
    "pcsk_" + BODY,
    "npm_" + BODY,
    "pypi-" + BODY,
    "SG." + BODY + "." + BODY,
    "dapi" + HEX,
    "hvs." + BODY,
    "dop_v1_" + HEX + HEX,
    "shpat_" + HEX,
    JWT,
    PEM,
]
PLACES = [
    "{}",
    "the key is {}, keep it",
    '{{"note": "{}", "n": 1}}',
    "({})",
    "a={}&b=1",
    "Incorrect API key provided: {}.",
    "x" * 3_000 + " {}",
]
NAMED = [
    ("password=hunter2", "hunter2"),
    ("password: hunter2", "hunter2"),
    ('{"password": "two words \\" and more"}', "words"),
    ("{'api_key': 'zzz'}", "zzz"),
    ('"{\\"api_key\\": \\"zzz9\\"}"', "zzz9"),
    ("DB_PASSWORD=pa[ss]word", "ss]"),
    ("clientSecret: abc", "abc"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalr"),
    ("AccountKey=abc123==;EndpointSuffix=x", "abc123"),
    ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("Authorization: Digest a=1, b=2", "Digest"),
    ("Cookie: session=abc; theme=dark", "abc"),
    ("set-cookie: sid=31d4d96e407aad42", "31d4d96e407aad42"),
    ("x-api-key: q8w7e6", "q8w7e6"),
    ("token=abcdef123456", "abcdef123456"),
    ('os.environ["OPENAI_API_KEY"] = "short"', "short"),
    ("Bearer abcDEF123.456", "abcDEF123"),
    ("bearer 0123456789abcdef", "0123456789abcdef"),
    ("Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
    ("postgres://bob:s3cret@db:5432/x", "s3cret"),
    ("https://token@example.com/", "token"),
    ("redis://:p@ss@cache", "ss@"),
    ("https://maps.example.com/api?key=abcd&q=1", "abcd"),
    ("https://s.example.com/x?X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027", "fe5f80f"),
    ("https://s.example.com/x?a=1&sig=abc%3D", "abc%3D"),
    ("https://hooks.slack.com/services/T000/B000/XXXX", "T000"),
    ("https://discord.com/api/webhooks/123/abc-def", "abc-def"),
    ("https://api.telegram.org/bot123:abc/sendMessage", "bot123"),
]
ORDINARY = [
    "input_tokens=120 output_tokens=5 total_tokens: 125",
    "max_tokens=256, token_count: 7",
    "the token budget is 1000 tokens: 12 were used",
    "def login(token: str, password: str = None) -> bool:",
    "token: abc",
    "sk-learn-compatible-estimators are fine",
    "a bearer of good news has a basic understanding",
    "Bearer authentication and Basic understanding",
    "prompt_cache_key=orders primary_key=id idempotency_key=7f",
    "session_id=2b6f0cc9 user.id=alice author: bob",
    "550e8400-e29b-41d4-a716-446655440000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ=",
    "https://example.com/a/b?page=2&q=keys#top",
    "mail bob@example.com or alice@example.org",
    "it costs $0.12 at 10:30; see ticket #42: done",
    "password: None",
    '{"role": "user", "content": "Where is my order 1042?"}',
    "Größe 漢字 😀 naïve",
]
HOSTILE = [
    "x",
    "ab1",
    "sk-",
    "://",
    "://a@",
    "a@",
    "password=",
    '"password":"',
    "eyJ",
    "eyJ.",
    "-----BEGIN PRIVATE KEY",
]
HOSTILE += [
    "token:",
    "token=a",
    "\"'\\",
    "bearer ",
    "Basic a",
    "AKIA",
    "?key=",
    "&sig=",
    "[redacted]",
    "Cookie:",
    "key_",
]

MAX = 1 << 20
texts_of = cache(bench_redact.texts)
texts = st.text() | st.lists(
    st.sampled_from([*SECRETS, *(text for text, _ in NAMED), *ORDINARY, *HOSTILE]) | st.text(max_size=5)
).map("".join)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:12])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[:12])
def test_a_secret_is_known_by_its_shape_wherever_it_stands(place, secret):
    found = redact(place.format(secret))
    assert BODY[:20] not in found
    assert secret[-12:] not in found
    assert found.startswith(place.format("")[:3][: place.find("{}")])
    assert REDACTED in found


@pytest.mark.parametrize(("text", "secret"), NAMED)
def test_a_secret_is_known_by_the_name_or_place_before_it(text, secret):
    found = redact(text)
    assert secret not in found
    assert REDACTED in found


LETTERS = " ".join(string.ascii_letters + string.digits + "-_./:@") + " "


@pytest.mark.parametrize(
    "filler", ["lorem ipsum dolor sit amet ", LETTERS, LETTERS + "漢 "], ids=["few", "all", "wide"]
)
@pytest.mark.parametrize("secret", [*SECRETS, *(text for text, _ in NAMED)], ids=lambda secret: secret[:16])
def test_a_long_text_loses_what_a_short_one_does_whichever_letters_are_rare_in_it(secret, filler):
    short = redact(f"{filler}{secret}\n{filler}", MAX)
    assert short.startswith(filler)
    assert short.endswith(f"\n{filler}")
    assert REDACTED in short
    many = 40_000 // len(filler)
    lengthened = filler * (many - 1) + short + filler * (many - 1)
    assert redact(filler * many + f"{secret}\n" + filler * many, MAX) == lengthened


@pytest.mark.parametrize("half", ["_v1_", "o_v1_", "ey", "sk-", "://"])
def test_half_a_secret_at_either_end_of_a_long_text_is_none(half):
    for text in (half + " lorem ipsum" * 2_000, "lorem ipsum " * 2_000 + half):
        assert redact(text) == text


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text):
    assert redact(text) == text


SECRET_NAMES = "password X-API-Key clientSecret AUTHORIZATION set-cookie access_token DB_PASSWORD privateKey api_keys"
ORDINARY_NAMES = (
    "input_tokens max_tokens tokenizer token_count key primary_key author cookie_consent secretary session_id"
)


@pytest.mark.parametrize("name", [*SECRET_NAMES.split(), "refreshToken", "password_hash"])
def test_names_of_secrets_are_known(name):
    assert sort_of(name) is not None


@pytest.mark.parametrize("name", [*ORDINARY_NAMES.split(), "cache_key", "passenger", ""])
def test_names_of_ordinary_things_are_known(name):
    assert sort_of(name) is None


def test_a_json_text_stays_json():
    text = json.dumps({"api_key": "abc", "password": 'x"y', "inner": json.dumps({"secret": "s3"}), "n": 1})
    found = json.loads(redact(text))
    assert found["api_key"] == found["password"] == REDACTED
    assert json.loads(found["inner"]) == {"secret": REDACTED}
    assert found["n"] == 1


@given(texts, st.integers(0, 200) | st.just(MAX_REDACTED))
def test_redacting_never_raises_never_exceeds_its_limit_and_is_done_once(text, limit):
    found = redact(text, limit)
    assert len(found) <= limit
    assert redact(found, limit) == found
    found.encode()  # every exporter can


@given(st.text(alphabet=st.characters(exclude_characters=":=@?&", exclude_categories=["Cs"]), max_size=40))
def test_words_without_names_or_keys_are_untouched(text):
    assert redact(text) == text or "-----BEGIN" in text or any(s in text for s in ("sk-", "earer", "asic"))


def test_a_cut_text_says_how_long_it_was_and_keeps_its_beginning():
    found = redact("word " * 1_000, 60)
    assert found == "word word word word word word wor [cut from 5000 characters]"
    assert len(found) == 60


@pytest.mark.parametrize("distance", range(60))
def test_a_secret_on_the_edge_of_the_cut_does_not_leave_in_part(distance):
    limit, secret = 200, "sk-proj-" + BODY
    found = redact("." * (limit - distance) + secret + " " + "." * 2_000, limit)
    assert "sk-" not in found
    assert "a1B2" not in found


def test_text_from_behind_the_cut_does_not_slip_in_where_secrets_made_room():
    secret = "sk-proj-" + BODY
    text = f"{secret} " * 3 + "tail"
    assert text.index(secret, 60) < 120 < text.index("tail")
    assert redact(text, 120) == f"{REDACTED} {REDACTED} {REDACTED} [cut from {len(text)} characters]"


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    assert redact("a\ud83db") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_what_a_text_costs_does_not_grow_with_what_is_behind_the_cut_and_only_linearly_with_what_is_before_it(piece):
    def cost(size, limit):
        text = (piece * size)[:size]
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            redact(text, limit)
            best = min(best, time.process_time() - started)
        return best

    quarter, whole = cost(16_384, 16_384), cost(65_536, 65_536)
    assert whole < 4 * quarter * 3 + 0.005  # a quadratic pattern takes 16 times as long
    assert cost(1 << 20, 16_384) < 3 * quarter + 0.005


@pytest.mark.parametrize("name", texts_of(64))
def test_twice_the_text_costs_no_more_than_about_twice_whatever_it_is_made_of(name):
    def cost(size):
        return min(_took(texts_of(size)[name], size) for _ in range(3))

    half, whole = cost(16_384), cost(32_768)
    assert whole < 2 * half * 1.6 + 0.003  # a quadratic pattern takes four times as long, here at least 10 ms more


def _took(text, limit):
    began = time.thread_time()
    redact(text, limit)
    return time.thread_time() - began


@pytest.mark.parametrize("secret", ["sk-proj-" + BODY, "password=hunter2", "token=abcdef123456", "https://a:b@c"])
def test_a_text_with_more_secrets_than_anybody_writes_is_cut_where_they_are_too_many(secret):
    few, many = f"{secret} said; " * 100, f"{secret} said; " * 1_000
    assert redact(few).count(REDACTED) == 100
    assert redact(few).endswith(" said; ")
    found = redact(many)
    assert found.count(REDACTED) == 128
    assert not any(part in found for part in (BODY, "hunter2", "abcdef123456", "a:b"))
    assert found.endswith(f" [cut from {len(many)} characters]")
    assert redact(found) == found


@pytest.mark.parametrize("name", ["password: str", "token: abc", "api_key: None"])
def test_names_of_secrets_without_any_are_looked_at_up_to_a_number_too(name):
    assert redact(f"{name}, " * 100) == f"{name}, " * 100
    assert redact(f"{name}, " * 2_000).endswith("characters]")


def test_of_very_many_lone_surrogates_the_last_become_question_marks():
    assert redact("\ud83d" * 5_000) == "\N{REPLACEMENT CHARACTER}" * 4_096 + "?" * 904


def test_of_a_huge_text_only_the_beginning_is_looked_at():
    seen = []

    class Watched(str):
        __slots__ = ()

        def __getitem__(self, key):
            seen.append(key)
            return super().__getitem__(key)

    text = Watched("x" * (1 << 20))
    redact(text)
    assert seen == [slice(None, MAX_REDACTED + 512)]


def test_a_structure_is_cleaned_by_names_and_by_shapes():
    safe = Redactor()
    found = safe.clean({
        "password": "hunter2", "cookies": {"a": "b"}, "token": 12, "api_key": None, "secret": 42,
        "token_type": "Bearer",
        "note": "sk-proj-" + BODY, "list": [{"Authorization": ["x"]}, 1.5], "ghp_" + BODY: True,
    })  # fmt: skip
    assert found == {
        "password": REDACTED, "cookies": REDACTED, "token": 12, "api_key": None, "secret": REDACTED,
        "token_type": "Bearer",
        "note": REDACTED, "list": [{"Authorization": REDACTED}, 1.5], REDACTED: True,
    }  # fmt: skip
    assert (safe.cut, safe.removed) == (0, 0)


def test_a_structure_has_a_limit_for_each_text_and_for_all_of_them_and_counts_the_bytes():
    safe = Redactor(100, 250)
    found = safe.clean(["é" * 150, "b" * 90, "c" * 90])
    assert [len(text) for text in found] == [100, 90, 60]
    assert found[0].endswith(" [cut from 150 characters]")
    assert safe.cut == 2
    assert safe.removed == 50 * 2 + 30


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_structure_becomes_json_once(value):
    found = Redactor(50, 500).clean(value)
    json.dumps(found, allow_nan=False).encode()
    assert Redactor(50, 5_000).clean(found) == found


def test_a_hostile_structure_is_replaced_and_not_raised():
    class Bad:
        def __str__(self):
            raise RuntimeError

    cycle: list = []
    cycle.append(cycle)
    safe = Redactor()
    found = safe.clean({"bad": Bad(), "cycle": cycle, Bad(): 1})
    assert found["bad"] == "<Bad>"
    assert found["<Bad>"] == 1
    assert safe.cut >= 3


@given(texts)
def test_a_text_that_cannot_hold_a_secret_has_none(text):
    if not may_hold(text):
        assert list(secrets(text)) == []
