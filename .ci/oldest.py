"""The lower bound of each direct dependency and of the extra `openai`, as constraints: `python .ci/oldest.py`."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
for line in [*project["dependencies"], *project["optional-dependencies"]["openai"]]:
    name, bound = re.match(r"([\w-]+)\s*>=\s*([\w.]+)", line).groups()
    print(f"{name}=={bound}")
