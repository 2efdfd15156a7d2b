"""Small projects in real toolchains, each with a session under the sandbox.

Every one needs something of a home that the sandbox hides: a library, a cache, a registry. Beside
it lie a user's credentials, which nothing may read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from support.harness import Git
from support.project import write_draft
from support.session import Helper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRETS = (
    ".ssh/id_ed25519", ".aws/credentials", ".npmrc", ".netrc", ".pypirc", ".git-credentials",
    ".cargo/credentials.toml", ".cargo/credentials", ".config/gh/hosts.yml", ".docker/config.json",
    ".gradle/gradle.properties", ".hex/hex.config", ".m2/settings.xml",
)  # fmt: skip
"""What a home holds that no program under test may read, some of it inside toolchain folders."""

LOOK = (
    "home={home}; for f in {names}; do "
    'if [ -n "$(cat $home/$f 2>/dev/null)" ]; then echo read $f >&2; exit 9; fi; done'
)
"""Names no secret by an absolute path: what a contract names like that is readable."""


class Project(NamedTuple):
    """A project of one toolchain.

    Attributes:
        programs: what has to be installed.
        files: path -> content; the first is edited, `COST` in it is what it costs.
        terms: of the contract.
        prepare: fills home and repository; returns variables for the helper.
    """

    programs: tuple[str, ...]
    files: Mapping[str, str]
    terms: Mapping[str, str]
    prepare: Callable[[Path, Path], Mapping[str, str]]


class Tried(NamedTuple):
    """What a session came to.

    Attributes:
        sandbox: what was in force.
        verdicts: of a cheaper program and of a dearer one.
    """

    sandbox: str
    verdicts: tuple[str, str]


def missing(project: Project) -> list[str]:
    """Programs that are not here."""
    return [program for program in project.programs if shutil.which(program) is None]


def try_project(name: str, folder: Path) -> Tried:
    """`init`, a better candidate and a worse one, in a home with credentials."""
    project = PROJECTS[name]
    home = Path(os.environ["HOME"])
    for secret in SECRETS:
        (home / secret).parent.mkdir(parents=True, exist_ok=True)
        (home / secret).write_text("token")
    repo = Git.create(folder / "r")
    for path, text in project.files.items():
        repo.write(path, text.replace("COST", "100"))
    env = project.prepare(home, repo.root)
    repo.commit()
    look = LOOK.format(home=home, names=" ".join(SECRETS))
    terms = dict(project.terms)
    terms["guard"] = json.dumps(f"{look}; {terms['guard']}")
    draft = write_draft(folder, extra="sandbox: require\n", **terms)
    helper = Helper(repo)
    helper("init", str(draft), env=env)
    edited, text = next(iter(project.files.items()))
    found: list[dict[str, Any]] = []
    for cost in (90, 95):
        repo.write(edited, text.replace("COST", str(cost)))
        found.append(helper.json("try", "-m", f"cost {cost}", env=env)["record"])
    better, worse = found
    return Tried(better["sandbox"], (better["verdict"], worse["verdict"]))


def _made(*words: str, cwd: Path, env: Mapping[str, str]) -> None:
    subprocess.run(words, cwd=cwd, env={**os.environ, **env}, check=True)


def _python(home: Path, root: Path) -> Mapping[str, str]:
    """A library in a virtual environment of the home, as pyenv and pipx keep them."""
    venv = home / ".pyenv" / "versions" / "work"
    _made(sys.executable, "-m", "venv", "--without-pip", str(venv), cwd=root, env={})
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "library.py").write_text("FACTOR = 1\n")
    return {"PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "PYENV_ROOT": str(home / ".pyenv")}


def _node(home: Path, root: Path) -> Mapping[str, str]:
    """A package in `node_modules`, which git ignores and the contract links."""
    del home
    package = root / "node_modules" / "library"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "library", "main": "index.js"}')
    (package / "index.js").write_text("module.exports = {factor: 1}\n")
    return {}


def _go(home: Path, root: Path) -> Mapping[str, str]:
    """A module in the module cache, and a build cache that was used before."""
    cache, modules = home / ".cache" / "go-build", home / "go" / "pkg" / "mod"
    cache.mkdir(parents=True)
    library = modules / "example.org" / "library@v1.0.0"
    library.mkdir(parents=True)
    (library / "go.mod").write_text("module example.org/library\n")
    (library / "library.go").write_text("package library\n\nconst Factor = 1\n")
    downloads = modules / "cache" / "download" / "example.org" / "library" / "@v"
    downloads.mkdir(parents=True)
    (downloads / "v1.0.0.mod").write_text("module example.org/library\n")
    (downloads / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (downloads / "v1.0.0.ziphash").write_text(f"h1:{base64.b64encode(bytes(32)).decode()}")
    env = {"GOFLAGS": "-mod=mod", "GONOSUMDB": "*", "GOPROXY": "off"}
    _made("go", "vet", "./...", cwd=root, env={**env, "GOCACHE": str(cache)})  # writes go.sum
    return {}


def _rust(home: Path, root: Path) -> Mapping[str, str]:
    """A crate in a registry below CARGO_HOME; the compiler where the real home has it."""
    del root
    cargo = home / ".cargo"
    crate = cargo / "vendored" / "library-1.0.0"
    files = {
        "Cargo.toml": '[package]\nname = "library"\nversion = "1.0.0"\nedition = "2018"\n',
        "src/lib.rs": "pub const FACTOR: u32 = 1;\n",
    }
    sums = {}
    for path, text in files.items():
        (crate / path).parent.mkdir(parents=True, exist_ok=True)
        (crate / path).write_text(text)
        sums[path] = hashlib.sha256(text.encode()).hexdigest()
    (crate / ".cargo-checksum.json").write_text(json.dumps({"files": sums, "package": "0" * 64}))
    (cargo / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "own"\n'
        f'[source.own]\ndirectory = "{cargo / "vendored"}"\n'
    )
    real = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".rustup"
    return {"RUSTUP_HOME": str(real)} if real.is_dir() else {}


PROJECTS: Mapping[str, Project] = {
    "python": Project(
        (),
        {
            "src/work.py": "import library\n\n\ndef cost():\n    return COST * library.FACTOR\n",
            "bench.py": "import sys\nsys.path.insert(0, 'src')\nimport work\nprint(work.cost())\n",
            ".gitignore": "__pycache__/\n",
        },
        {"verify": "python bench.py", "guard": "python -m compileall -q src"},
        _python,
    ),
    "node": Project(
        ("node", "npm"),
        {
            "src/work.js": "module.exports = require('library').factor * COST\n",
            "build.js": "const fs = require('fs')\nfs.mkdirSync('dist', {recursive: true})\n"
            "fs.copyFileSync('src/work.js', 'dist/work.js')\n",
            "bench.js": "console.log(require('./dist/work.js'))\n",
            "package.json": '{"name": "work", "scripts": {"build": "node build.js"}}\n',
            ".gitignore": "/node_modules/\n/dist/\n",
        },
        {
            "build": "npm run -s build",
            "link": "[node_modules]",
            "verify": "node bench.js",
            "guard": "node --check dist/work.js",
            "scope": '["src/**"]',
        },
        _node,
    ),
    "go": Project(
        ("go",),
        {
            "work/work.go": 'package work\n\nimport "example.org/library"\n\n'
            "func Cost() int { return COST * library.Factor }\n",
            "work/work_test.go": 'package work\n\nimport "testing"\n\n'
            'func TestCost(t *testing.T) { if Cost() < 1 { t.Fatal("free") } }\n',
            "cmd/main.go": 'package main\n\nimport (\n\t"os"\n\t"strconv"\n\n'
            '\t"example.org/bench/work"\n)\n\n'
            'func main() { os.Stdout.WriteString(strconv.Itoa(work.Cost()) + "\\n") }\n',
            "go.mod": "module example.org/bench\n\ngo 1.18\n\nrequire example.org/library v1.0.0\n",
            ".gitignore": "/bin/\n",
        },
        {
            "build": "go build -o bin/bench ./cmd",
            "verify": "bin/bench",
            "guard": "go vet ./...",
            "scope": '["work/work.go"]',
        },
        _go,
    ),
    "rust": Project(
        ("cargo",),
        {
            "src/work.rs": "pub fn cost() -> u32 { COST * library::FACTOR }\n",
            "src/main.rs": 'mod work;\n\nfn main() { println!("{}", work::cost()); }\n',
            "Cargo.toml": '[package]\nname = "bench"\nversion = "0.1.0"\nedition = "2018"\n\n'
            '[dependencies]\nlibrary = "1"\n',
            ".gitignore": "/target/\n/Cargo.lock\n",
        },
        {
            "build": "cargo build --offline --quiet",
            "verify": "target/debug/bench",
            "guard": "cargo build --offline --quiet",
            "scope": '["src/work.rs"]',
        },
        _rust,
    ),
}
