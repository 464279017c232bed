"""`make stack`: the stack's real programs, found on PATH or built from Go modules, in a cache outside the checkout.

The cache is `$XDG_CACHE_HOME/spanwatch-stack/<key>/bin`, keyed by the contents of this directory, the collector's
manifest and the Go version; `current` beside it leads there. Modules are verified by the go.sum beside each go.mod;
nothing switches that off. Cold it takes about a quarter of an hour on two cores, warm less than a second.

  python tools/stack.py              find or build all; prints the directory
  python tools/stack.py --build      build all, whatever is on PATH
  python tools/stack.py --where      print the directory if all is there; exit code 1 otherwise
  python tools/stack.py jaeger loki  only these
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
MANIFEST = TOOLS.parent / "collector-config" / "builder.yaml"
LDFLAGS = "-s -w"


@dataclass(frozen=True, slots=True)
class Program:
    """One module under tools/: the binaries it gives, and the arguments that make each print its version."""

    module: str
    binaries: tuple[str, ...]
    version: tuple[str, ...] = ("--version",)
    tags: str = ""
    made_as: str = ""  # what Go calls the binary, if not so


PROGRAMS = (
    Program("otelcol", ("otelcol",), tags="grpcnotrace"),
    Program("telemetrygen", ("telemetrygen",), version=("--help",)),
    Program("alertmanager", ("alertmanager", "amtool")),
    Program("compose", ("docker-compose",), version=("version",), made_as="cmd"),
    Program("prometheus", ("prometheus", "promtool"), tags="remove_all_sd"),
    Program("jaeger", ("jaeger",), version=("version",)),
    Program("loki", ("loki",), version=("-version",)),
    Program("kafka", ("kafka",)),  # jars, for the tests of the fleet
)


def cache() -> Path:
    """Where every version's directory lies."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanwatch-stack"


def key() -> str:
    """What the binaries depend on: modules, checksums, manifest and the Go version."""
    digest = hashlib.sha256(go_version().encode())
    files = [*TOOLS.glob("*/go.mod"), *TOOLS.glob("*/go.sum"), *TOOLS.glob("*/pom.xml"), MANIFEST]
    for path in sorted(files):
        digest.update(path.relative_to(TOOLS.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def go_version() -> str:
    """Go's version, such as `go1.26.1`, or "" where there is no Go."""
    go = shutil.which("go")
    if go is None:
        return ""
    return subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def works(binary: Path | str, program: Program) -> bool:
    """Whether a binary starts, and for a collector whether it has the components of the gateway."""
    try:
        if program.module == "otelcol":
            gateway = MANIFEST.parent / "gateway.yaml"
            environ = {**os.environ, "REDACTION_HMAC_KEY": "0" * 64}
            command, more = [str(binary), "validate", "--config", str(gateway)], {"env": environ}
        else:
            command, more = [str(binary), *program.version], {}
        answer = subprocess.run(command, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL, **more)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def on_path(program: Program) -> dict[str, str] | None:
    """The binaries of a program as PATH has them, or None when one is missing or does not do."""
    found: dict[str, str] = {}
    for binary in program.binaries:
        names = ("otelcol-contrib", "otelcol") if binary == "otelcol" else (binary,)
        for name in names:
            path = shutil.which(name)
            version = Program(program.module, program.binaries, ("--version",)) if binary == "amtool" else program
            if path is not None and works(path, version):
                found[binary] = path
                break
    return found if len(found) == len(program.binaries) else None


def build(program: Program, home: Path) -> None:
    """Build one module's binaries into `home/bin`.

    Raises:
        subprocess.CalledProcessError: Go refused; its words are on stderr.
    """
    if program.module == "kafka":
        jars(home)
        return
    where = TOOLS / program.module
    if program.module == "otelcol":
        where = sources(home)
        goal = ["build", "-o", str(home / "bin" / "otelcol")]
        packages = ["."]
    else:
        goal, packages = ["install"], ["tool"]
    command = ["go", *goal, "-mod=readonly", "-trimpath", f"-ldflags={LDFLAGS}", *tags(program), *packages]
    subprocess.run(command, cwd=where, env=environment(home), check=True)
    if program.made_as:
        (home / "bin" / program.made_as).replace(home / "bin" / program.binaries[0])


def sources(home: Path) -> Path:
    """The collector's sources, written by the builder of the same version from the manifest."""
    builder = Program("builder", ("builder",))
    build(builder, home)
    out = home / "otelcol"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(TOOLS / "otelcol" / name, out / name)
    manifest = MANIFEST.read_text(encoding="utf-8").replace("dist:\n", f"dist:\n  output_path: {out}\n", 1)
    (out / "manifest.yaml").write_text(manifest, encoding="utf-8")
    command = [str(home / "bin" / "builder"), "--skip-get-modules", "--skip-compilation", "--config", "manifest.yaml"]
    subprocess.run(command, cwd=out, env=environment(home), check=True, stdout=subprocess.DEVNULL)
    return out


def jars(home: Path) -> None:
    """Apache Kafka's jars into `home/bin/kafka`, a directory, complete or not there."""
    part = home / "kafka.part"
    shutil.rmtree(part, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={part}"]
    pom = TOOLS / "kafka" / "pom.xml"
    subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *goal], check=True, stdout=sys.stderr)
    part.replace(home / "bin" / "kafka")


def tags(program: Program) -> list[str]:
    """The build tags as arguments."""
    return ["-tags", program.tags] if program.tags else []


def environment(home: Path) -> dict[str, str]:
    """Go's environment: this machine's Go and no other, no C, binaries into the cache."""
    more = {"GOTOOLCHAIN": "local", "GOFLAGS": "-p=2 -buildvcs=false", "CGO_ENABLED": "0", "GOBIN": str(home / "bin")}
    return {**os.environ, **more}


def provide(program: Program, home: Path, *, build_all: bool) -> str:
    """Make one program's binaries be there; says how."""
    targets = [home / "bin" / binary for binary in program.binaries]
    if all(target.exists() for target in targets):
        return "there"
    if program.module == "kafka":
        return kafka(program, home)
    found = None if build_all else on_path(program)
    if found is not None:
        for binary, path in found.items():
            (home / "bin" / binary).unlink(missing_ok=True)
            (home / "bin" / binary).symlink_to(path)
        return f"from PATH: {', '.join(found.values())}"
    if not go_version():
        sys.exit(f"stack: {program.binaries[0]} is not on PATH, and there is no Go (1.26 or newer) to build it with")
    began = time.monotonic()
    build(program, home)
    return f"built in {time.monotonic() - began:.0f} s"


def kafka(program: Program, home: Path) -> str:
    """Kafka is for one group of tests only: without Java and Maven it is left out, and that is said."""
    if shutil.which("mvn") is None or shutil.which("java") is None:
        return "left out: it needs Java 17 and Maven"
    began = time.monotonic()
    build(program, home)
    return f"fetched in {time.monotonic() - began:.0f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Provide the programs and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="build all, whatever is on PATH")
    parser.add_argument("--where", action="store_true", help="print the directory if all is there")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these: " + ", ".join(names()))
    args = parser.parse_args(arguments)
    if unknown := set(args.programs) - set(names()):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    wanted = [program for program in PROGRAMS if not args.programs or program.module in args.programs]
    home = cache() / key()
    if args.where:
        needed = [program for program in wanted if program.module != "kafka"]
        there = all((home / "bin" / binary).exists() for program in needed for binary in program.binaries)
        print(home / "bin" if there else "", end="\n" if there else "")
        return 0 if there else 1
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for number, program in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {program.module} ...", file=sys.stderr, flush=True)
        how = provide(program, home, build_all=args.build)
        print(f"[{number}/{len(wanted)}] {program.module}: {how}", file=sys.stderr, flush=True)
    lead(home)
    print(home / "bin")
    return 0


def lead(home: Path) -> None:
    """Let `current` lead to this version, at one stroke."""
    link = cache() / f"current-{os.getpid()}"
    link.symlink_to(home.name)
    link.replace(cache() / "current")


def names() -> list[str]:
    """What can be asked for."""
    return [program.module for program in PROGRAMS]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"stack: {' '.join(map(str, error.cmd[:2]))} failed with exit code {error.returncode}")
