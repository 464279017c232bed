"""What the longest and worst texts cost the thread that ends a span: `python -m benchmarks.bench_redact [characters]`.

Prints the dearest of some four hundred texts, in CPU milliseconds, best of five. Each is made to be hard to redact:
what secrets begin with, over and over, with and without what would make one of it.
"""

from __future__ import annotations

import random
import string
import sys
import time

from spanwatch.core import secret_shapes
from spanwatch.core.redact import redact

UNITS = (
    r"""
x|ab|A|_|-|\|[|]|?|a-|a_|a.b|AbAb|a=b |ab:|ab: |a1: |abc=1,|key|key=|key:|key: |key =|a:key |s_key=|pi_key=|a_key=
api__key=|__key=|ss-key:|apikey|api_keys|api_key= |api_key=|"api_key": "|api-key-header-value-text=|password
passwordpassword|passpass|password=|password:x |=password|PASSWORD=A|passPass=|pass\"]=|pass=|pwd=a|pwd=1;|pwd="\
pwd="a" |jwt|jwt=a|jwt:a,|token|token-|token_hash_|token-hash|token=|token=1 |token: abc |token="|token="1" |"token":"
token=aaaaaaaa |token=aaaaaaa1 |secret_secret_|secret=none |secret=str |cookie|cookie: |authorization: x |auth="\
auth='\.|code|sig|sig=|?key=|?key=1&|&sig=a|&sig= |[redacted]|a=[redacted] |token=[redacted]|password=[redacted] |x
key=[cut from|bearer |bearer a|Bearer aA |Bearer aaaaaaaa |basic |Basic A |basic aaaaaaaaaaaa |sk-|sk-a|sk-A
sk-aaaaaaaaaaaaaaaa-|k_live_|sk_live_|gh|ghp_|eyJ|eyJ.|eyJaaaaaaaa.|-----BEGIN |-----BEGIN RSA PRIVATE KEY
-----BEGIN A PRIVATE KEY-----END |://|://a|://a@|://a:b |http://a:b@|http://a |xox|xoxa-|shp|shpaa_|SG.
SG.aaaaaaaaaaaaaaaa.|_v1_|dop_v1_|hooks.slack.com/|hooks.slack.com/a |/api/webhooks/a |api.telegram.org/bot
{"a":|{"key":1,|'key':'|b64b64b64=|a1B2c3=|hello world, |""".strip("\n|")
    .replace("\n", "|")
    .split("|")
)
UNITS += ["|", "\n", "\t", "cookie: a\n", "authorization:\n", "key\t:", "漢", "漢key=", "Größe ", "\ud83d", "a\ud83d"]
UNITS += ["key\ud83d=", "basic \u017f", "toKen\u212a=", "\u0130key=", "token" + "_" * 50, "a-" * 31 + "=1 "]


def texts(size: int) -> dict[str, str]:
    """Texts of a size, by what they are made of."""
    chance = random.Random(6)
    found = {repr(unit): unit * (size // len(unit) + 1) for unit in UNITS}
    every = " ".join(needle for needle, _ in secret_shapes._KEYS)  # noqa: SLF001 (what they are is its business) + " bearer basic key= : "
    found |= {f"every needle, then {unit!r}": every + unit * size for unit in UNITS if len(unit) <= 12}
    between = max(0, min(size, 65_536) - 2 * len(every))
    found |= {  # so that where the needles end says nothing
        f"every needle, {unit!r}, and again": every + (unit * size)[:between] + every
        for unit in UNITS
        if len(unit) <= 12
    }
    found["every half of a secret"] = "sk-A111111111111111 gh ghp_ eyJ xox :// bearer a &key=a token=a1 pwd=b " * size
    found["hexadecimal"] = "".join(chance.choices("0123456789abcdef", k=size))
    found["base 64"] = "".join(chance.choices(string.ascii_letters + string.digits + "+/", k=size))
    found["anything"] = "".join(chance.choices(string.printable, k=size))
    numbers = range(size // 10)
    found["names of keys"] = " ".join(f"n{number}Key={number}" for number in numbers)
    found["names of tokens"] = " ".join(f"a{number}token={number}" for number in numbers)
    found["names of secrets"] = " ".join(f"a{number}_secret={number}q" for number in numbers)
    found["long names"] = " ".join(("aB" * 20 + f"{number:06}") + "key=1" for number in numbers)
    found["keys"] = " ".join(f"sk-A{number:016}" for number in numbers)
    found["JSON"] = "{" + ",".join(f'"key{number}":"value {number}"' for number in numbers)
    found["JSON of usage"] = "[" + ",".join(f'{{"input_tokens":{number},"token_count":2}}' for number in numbers)
    found["JSON of tokens"] = "[" + ",".join(f'{{"token":"t{number}","logprob":-0.1}}' for number in numbers)
    return {name: text[:size] for name, text in found.items()}


def cost_ms(text: str, limit: int = 65_536) -> float:
    """CPU milliseconds on this thread, best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        redact(text, limit)
        best = min(best, time.thread_time() - began)
    return best * 1e3


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    found = sorted(((cost_ms(text), name) for name, text in texts(size).items()), reverse=True)
    sys.stdout.write(f"{len(found)} texts of {size:,} characters\n")
    sys.stdout.write("".join(f"{cost:7.2f} ms  {name}\n" for cost, name in found[:20]))


if __name__ == "__main__":
    main()
