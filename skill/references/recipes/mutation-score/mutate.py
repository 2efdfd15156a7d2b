"""Share of broken versions of the product that the tests notice; needs Python alone.

Adapt: PRODUCT, TESTS, MOST. Each mutant changes one operator or constant; the order is fixed.
"""

import ast
import pathlib
import shutil
import subprocess
import sys
import tempfile

PRODUCT = pathlib.Path("src")
TESTS = [sys.executable, "-S", "-m", "unittest", "discover", "-s", "tests", "-f"]
MOST = 24
SWAPS = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.And: ast.Or,
    ast.Or: ast.And,
}  # fmt: skip


def sites(tree: ast.AST) -> list[ast.AST]:
    """The nodes that can be changed, in the order of the text."""
    return [
        node
        for node in ast.walk(tree)
        if type(getattr(node, "op", None)) in SWAPS
        or (isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS)
        or (isinstance(node, ast.Constant) and type(node.value) is int)
    ]


def mutant(text: str, number: int) -> str:
    """The text with its site of that number changed."""
    tree = ast.parse(text)
    node = sites(tree)[number]
    if isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.Constant):
        node.value += 1
    else:
        node.op = SWAPS[type(node.op)]()
    return ast.unparse(tree)


def passes(folder: str) -> bool:
    """Whether the tests pass on what lies there."""
    try:
        done = subprocess.run(TESTS, cwd=folder, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> None:
    """Try every so many-th mutant in a copy; print the share that was noticed."""
    files = sorted(PRODUCT.rglob("*.py"))
    every = [(f, n) for f in files for n in range(len(sites(ast.parse(f.read_text()))))]
    chosen = every[:: max(1, len(every) // MOST)][:MOST]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(".", folder, dirs_exist_ok=True)
        if not passes(folder):
            sys.exit("the tests fail on the unchanged product")
        killed = 0
        for file, number in chosen:
            there = pathlib.Path(folder) / file
            text = file.read_text()
            there.write_text(mutant(text, number))
            killed += not passes(folder)
            there.write_text(text)
    print(f"METRIC killed={100 * killed / len(chosen):.3f}")


if __name__ == "__main__":
    main()
