"""What the wheel holds: our package and its metadata, nothing that runs at interpreter start, nothing else."""

import sys
import zipfile


def main() -> None:
    """Check the wheel named on the command line; exits with what is wrong."""
    names = zipfile.ZipFile(sys.argv[1]).namelist()
    strange = [n for n in names if n.split("/")[0] != "spanwatch" and ".dist-info" not in n.split("/")[0]]
    starters = [n for n in names if n.endswith(".pth")]
    wanted = {"spanwatch/__init__.py", "spanwatch/py.typed", "spanwatch/cli/main.py"} - set(names)
    licence = [n for n in names if n.endswith("LICENSE")]
    if strange or starters or wanted or not licence:
        sys.exit(f"outside the package: {strange}; run at start: {starters}; missing: {wanted}; licence: {licence}")
    print(f"{len(names)} files, all inside the package")


main()
