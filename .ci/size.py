"""What an installed spanwatch brings beyond openai, within its limits: run by the environment's own Python."""

import importlib.metadata
import re
import sys

PACKAGES, MEGABYTES = 35, 60
TOOLS = {"pip", "setuptools", "hatchling", "editables"}


def closure(*roots):
    """Names of packages with all that they require here, extras not."""
    found, waiting = set(), [name.lower() for name in roots]
    while waiting:
        name = waiting.pop()
        if name in found or name not in installed:
            continue
        found.add(name)
        required = [line for line in installed[name].requires or () if "extra ==" not in line]
        waiting += [normal(re.match(r"[\w.-]+", line)[0]) for line in required]
    return found


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def size(name):
    return sum(path.locate().stat().st_size for path in installed[name].files or () if path.locate().is_file())


installed = {normal(each.metadata["Name"]): each for each in importlib.metadata.distributions()}
ours = closure("spanwatch") - closure("openai")
megabytes = sum(map(size, ours)) / 1e6
print(f"beyond openai: {len(ours)} packages, {megabytes:.1f} MB; limits {PACKAGES} and {MEGABYTES} MB")
assert "spanwatch" in ours
assert "openai" in installed
unknown = set(installed) - closure("spanwatch", "openai") - closure(*TOOLS)
assert not unknown, unknown
sys.exit(len(ours) > PACKAGES or megabytes > MEGABYTES)
