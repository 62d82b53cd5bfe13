"""Change one thing at a time in a module of the package, and see whether tests fail.

::

    python tests/mutate.py directpose/models/box_head.py 20 tests/test_models/test_head_options.py

A change swaps an operator, a comparison or a condition, adds 1 to a number, or leaves out an
argument, a call without arguments or a statement. Annotations and messages stay. Each change runs
in a process of its own, forked after torch and OpenMMLab are imported. The command prints the
changes that no test found.
"""

import argparse
import ast
import copy
import os
import random
import resource
import sys
from collections.abc import Callable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.util import spec_from_loader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 200
"""A change is found if the tests compute for this long: they may be in a loop without end.

Time in which the process waits for a processor does not count, so a busy machine finds no more.
"""
NOT_USED = 99
"""The exit status of a process whose tests did not import the changed module."""
PAIRS = (
    (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq), (ast.In, ast.NotIn), (ast.Is, ast.IsNot), (ast.And, ast.Or),
)  # fmt: skip
SWAP = {
    **{a: b for a, b in PAIRS},
    **{b: a for a, b in PAIRS},
    ast.FloorDiv: ast.Div,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
}
Change = Callable[[ast.AST], object]


def become(node: ast.AST, other: ast.AST) -> None:
    """Turn a node into another one, in its place in the tree."""
    node.__class__ = other.__class__
    node.__dict__.update(other.__dict__)


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What can be changed in a node: a name of the change, and a function that makes it."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAP:
        yield 'operator', lambda n: setattr(n, 'op', SWAP[type(n.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAP:
        yield 'comparison', lambda n: n.ops.__setitem__(0, SWAP[type(n.ops[0])]())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield 'bool', lambda n: setattr(n, 'value', not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield 'number', lambda n: setattr(n, 'value', n.value + 1)
    if isinstance(node, ast.If | ast.IfExp):
        yield 'condition', lambda n: setattr(n, 'test', ast.UnaryOp(ast.Not(), n.test))
    if isinstance(node, ast.Call):
        for i, keyword in enumerate(node.keywords):
            if keyword.arg:
                yield f'without {keyword.arg}=', lambda n, i=i: n.keywords.pop(i)
        if isinstance(node.func, ast.Attribute) and not node.keywords and not node.args:
            yield f'without .{node.func.attr}()', lambda n: become(n, n.func.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield 'sign', lambda n: setattr(n, 'op', ast.UAdd())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield 'not', lambda n: become(n, ast.Call(ast.Name('bool', ast.Load()), [n.operand], []))
    if isinstance(node, ast.AugAssign | ast.Raise) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Yield)
    ):
        yield 'without the statement', lambda n: become(n, ast.Pass())


def left_alone(tree: ast.AST) -> set[int]:
    """The ids of the nodes in annotations and in formatted texts."""
    parts = []
    for node in ast.walk(tree):
        parts += [getattr(node, field, None) for field in ('annotation', 'returns')]
        parts += [node] if isinstance(node, ast.JoinedStr) else []
    return {id(node) for part in parts if part is not None for node in ast.walk(part)}


class Changed(MetaPathFinder, Loader):
    """Gives Python the changed code of a module."""

    def __init__(self, name: str, path: str, tree: ast.AST) -> None:
        self.name, self.path = name, path
        self.code = compile(tree, path, 'exec')
        self.used = False

    def find_spec(self, name, path=None, target=None):
        return spec_from_loader(name, self, origin=self.path) if name == self.name else None

    def create_module(self, spec):
        return None

    def exec_module(self, module) -> None:
        self.used = True
        module.__file__ = self.path
        exec(self.code, module.__dict__)


def tests_pass(changed: Changed, tests: list[str]) -> bool:
    """Run tests with the changed module, in another process.

    Raises:
        SystemExit: If the tests do not import the module.
    """
    import pytest

    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        sys.meta_path.insert(0, changed)
        # pytest would load a module called test_* itself, to rewrite its assertions.
        status = int(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', '--assert=plain', *tests]))
        os._exit(status if changed.used else NOT_USED)
    _, status = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(status)
    if status == NOT_USED:
        sys.exit(f'error: the tests do not import {changed.name}')
    return status == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('module', type=Path, help='the file of a module of the package')
    parser.add_argument('number', type=int, help='the largest number of changes, drawn at random')
    parser.add_argument('tests', nargs='+', help='the tests that are to find them')
    args = parser.parse_args()
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    sys.path.insert(0, str(ROOT))
    import mmdet.models  # noqa: F401
    import mmengine.runner  # noqa: F401
    import mmpose.apis  # noqa: F401
    import onnx  # noqa: F401

    path = args.module.resolve()
    name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    source = path.read_text()
    tree = ast.parse(source)
    kept = left_alone(tree)
    nodes = list(ast.walk(tree))
    sites = [
        (i, k, what)
        for i, node in enumerate(nodes)
        if id(node) not in kept
        for k, (what, _) in enumerate(changes(node))
    ]
    total = len(sites)
    random.Random(0).shuffle(sites)
    sites = sorted(sites[: args.number])
    if not tests_pass(Changed(name, str(path), tree), args.tests):
        sys.exit('error: the tests fail without any change')
    found = 0
    for i, k, what in sites:
        changed = copy.deepcopy(tree)
        node = list(ast.walk(changed))[i]
        list(changes(node))[k][1](node)
        ast.fix_missing_locations(changed)
        if tests_pass(Changed(name, str(path), changed), args.tests):
            text = (ast.get_source_segment(source, nodes[i]) or '').splitlines()[0]
            print(f'not found: {path}:{nodes[i].lineno}: {what}: {text}', flush=True)
        else:
            found += 1
    print(f'{name}: found {found} of {len(sites)} changes, out of {total} possible ones')


if __name__ == '__main__':
    main()
