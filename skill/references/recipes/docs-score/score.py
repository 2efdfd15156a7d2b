"""Score of a page from 0 to 100 by rules that two readers would agree on.

Adapt: PAGE, MUST (what a reader must find), the bounds. Each rule is a share; the score their mean.
"""

import ast
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path("docs/guide.md")
PRODUCT = pathlib.Path("src/shapes.py")
MUST = ("install", "example", "error", "licence")
LONG_SENTENCE = 25
WORDS = (40, 400)


def examples_share(text: str) -> float:
    """Python examples that run."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    command = [sys.executable, "-S", "-"]
    env = {"PYTHONPATH": str(PRODUCT.parent)}
    runs = [
        subprocess.run(command, input=block, text=True, env=env, capture_output=True, check=False)
        for block in blocks
    ]
    return sum(done.returncode == 0 for done in runs) / len(runs) if runs else 0.0


def main() -> None:
    """Print the mean of the rules, and each of them."""
    text = PAGE.read_text()
    prose = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    names = [
        node.name
        for node in ast.parse(PRODUCT.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    sentences = [part.split() for part in re.split(r"[.!?]\s", prose) if part.strip()]
    words = len(prose.split())
    rules = {
        "names": sum(f"`{name}" in prose for name in names) / len(names),
        "must": sum(re.search(rf"(?i)\b{word}", prose) is not None for word in MUST) / len(MUST),
        "examples": examples_share(text),
        "sentences": sum(len(part) <= LONG_SENTENCE for part in sentences) / len(sentences),
        "length": float(WORDS[0] <= words <= WORDS[1]),
    }
    print(f"METRIC score={100 * sum(rules.values()) / len(rules):.3f}")
    for name, share in rules.items():
        print(f"METRIC {name}={100 * share:.3f}")


if __name__ == "__main__":
    main()
