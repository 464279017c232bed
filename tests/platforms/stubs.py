"""What a platform's standard library lacks, by the `sys.platform` tests in typeshed, which mypy brings along."""

import ast
from functools import cache
from pathlib import Path

import mypy

STUBS = Path(mypy.__file__).parent / "typeshed" / "stdlib"
VERSIONS = ((3, 11), (3, 12), (3, 13), (3, 14))


@cache
def names(module, platform, version):
    """The names that a module of the standard library has on a platform ("linux", "darwin", "win32")."""
    path = STUBS / module / "__init__.pyi"
    tree = ast.parse((path if path.exists() else STUBS / f"{module}.pyi").read_text(encoding="utf-8"))
    return frozenset(_names(tree.body, platform, version))


@cache
def missing(module, platform):
    """The names that Linux has and a platform lacks, in any of the versions of Python that we run on."""
    return frozenset().union(*(names(module, "linux", each) - names(module, platform, each) for each in VERSIONS))


def _names(body, platform, version):
    for node in body:
        match node:
            case ast.If():
                holds = _holds(node.test, platform, version)
                yield from _names(node.body if holds else node.orelse, platform, version)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.ImportFrom(module="_socket" | "_signal" as source, names=given):
                known = names(source, platform, version) if (STUBS / f"{source}.pyi").exists() else None
                yield from (each.asname or each.name for each in given if known is None or each.name in known)
            case ast.ImportFrom(names=given) | ast.Import(names=given):
                yield from (each.asname or each.name for each in given)


def _holds(test, platform, version):
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_holds(each, platform, version) for each in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_holds(each, platform, version) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _holds(operand, platform, version)
        case ast.Compare(left=left, ops=[operator], comparators=[ast.Constant(value=value)]):
            assert ast.unparse(left) == "sys.platform", ast.unparse(test)
            return (platform == value) == isinstance(operator, ast.Eq)
        case ast.Compare(left=left, ops=[operator], comparators=[ast.Tuple(elts=elements)]):
            assert ast.unparse(left).startswith("sys.version_info"), ast.unparse(test)
            wanted = tuple(each.value for each in elements)
            return version >= wanted if isinstance(operator, ast.GtE) else version < wanted
    raise AssertionError(f"a condition that this does not know: {ast.unparse(test)}")


@cache
def modules_missing(platform):
    """The modules of the standard library that Linux has and a platform lacks: their stubs define nothing there."""
    found = {path.stem for path in STUBS.glob("*.pyi") if not path.stem.startswith("_")}
    return frozenset(name for name in found if _own(name, "linux") and not _own(name, platform))


def _own(module, platform):
    tree = ast.parse((STUBS / f"{module}.pyi").read_text(encoding="utf-8"))
    kept = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return {name for name in _names(kept, platform, VERSIONS[0]) if not name.startswith("_")}
