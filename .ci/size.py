"""What an installed spanwatch brings beyond openai, within its limits: run by the environment's own Python."""

import importlib.metadata
import re
import sys

PACKAGES, MEGABYTES = 35, 60
TOOLS = {"pip", "setuptools", "hatchling", "editables"}
INSTALLED = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d for d in importlib.metadata.distributions()}


def closure(*roots: str) -> set[str]:
    """Names of packages with all that they require here, extras not."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in INSTALLED and name not in found:
            found.add(name)
            required = [line for line in INSTALLED[name].requires or () if "extra ==" not in line]
            waiting += [re.split(r"[^\w.-]", line)[0] for line in required]
    return found


def size(name: str) -> int:
    """Bytes of a package's files."""
    places = [path.locate() for path in INSTALLED[name].files or ()]
    return sum(place.stat().st_size for place in places if place.is_file())


assert {"openai", "spanwatch"} <= set(INSTALLED)
unknown = set(INSTALLED) - closure("spanwatch", "openai") - closure(*TOOLS)
assert not unknown, unknown
ours = closure("spanwatch") - closure("openai")
megabytes = sum(map(size, ours)) / 1e6
print(f"beyond openai: {len(ours)} packages, {megabytes:.1f} MB; limits {PACKAGES} and {MEGABYTES} MB")
sys.exit(len(ours) > PACKAGES or megabytes > MEGABYTES)
