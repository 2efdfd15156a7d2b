"""Each cause of a failure in a checkout: it is named, and its remedy leads out."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from support.harness import Git
from support.long import mostly_long
from support.session import Helper

HEAD = "session: s\ngoal: fewer steps\n"
METRIC = "{name: steps, direction: lower, deterministic: true}"
BENCH = "import w\nprint('METRIC steps=%d' % w.N)\n"
VERIFY = "PYTHONPATH=src python3 -S bench.py"


class Case:
    """A small repository in which something is missing, and the contract that fails in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        monkeypatch.setenv("HOME", str(self.home))
        self.monkeypatch = monkeypatch
        self.repo = Git.create(folder / "r")
        self.repo.write("src/w.py", "N = 100\n")
        self.repo.write("bench.py", BENCH)
        self.draft = folder / "draft.yaml"
        self.terms = {"metric": METRIC, "verify": VERIFY, "scope": '["src/**"]'}

    def bench(self, code: str) -> None:
        """What the benchmark does before it prints the metric."""
        self.repo.write("bench.py", f"import os, sys\n{code}\n{BENCH}")

    def checked(self, code: int) -> str:
        """What `check` answers."""
        if self.repo("status", "--porcelain"):
            self.repo.commit("as it is")
        lines = "".join(f"{key}: {value}\n" for key, value in self.terms.items())
        self.draft.write_text(HEAD + lines, "utf-8")
        done = Helper(self.repo)("check", str(self.draft), code=code)
        return done.out + done.err

    def hint(self) -> str:
        """The remedy of a check that fails."""
        return next(line for line in self.checked(4).splitlines() if line.startswith("next: "))

    def follow(self, pattern: str) -> str:
        """Take over the first quoted term of the remedy that fits; the remedy."""
        hint = self.hint()
        found = re.search(pattern, hint)
        assert found is not None, hint
        key, _, value = found[1].partition(": ")
        self.terms[key] = value
        return hint


def home(case: Case) -> None:
    (case.home / ".cache/hub").mkdir(parents=True)
    (case.home / ".cache/hub/model.bin").write_text("data")
    case.bench("open(os.path.expanduser('~/.cache/hub/model.bin')).read()")
    assert "~/.cache/hub/model.bin" in case.follow(r"`(verify: .*?)`")


def no_git(case: Case) -> None:
    script = f"#!/bin/sh\nset -e\nrev=$(git rev-parse HEAD)\n{VERIFY}\n"
    case.repo.write("bench.sh", script)
    case.terms["verify"] = "sh bench.sh"
    found = re.search(r"`(rev=.*?)`", case.hint())
    assert found is not None
    case.repo.write("bench.sh", script.replace("rev=$(git rev-parse HEAD)", found[1]))


def carriage_return(case: Case) -> None:
    case.repo.write("bench.sh", f"#!/bin/sh\r\n{VERIFY}\r\n")
    (case.repo.root / "bench.sh").chmod(0o755)
    case.terms["verify"] = "./bench.sh"
    assert "`sed -i 's/\\r$//' bench.sh`" in case.hint()
    case.repo.write("bench.sh", f"#!/bin/sh\n{VERIFY}\n")
    (case.repo.root / "bench.sh").chmod(0o755)


def login_shell(case: Case) -> None:
    tools = case.home.parent / "tools"
    tools.mkdir()
    (tools / "mytool").write_text("#!/bin/sh\n")
    (tools / "mytool").chmod(0o755)
    case.monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    (case.home / ".profile").write_text("PATH=/usr/bin:/bin\n")
    case.terms["verify"] = f"bash -lc 'PATH=/usr/bin:/bin; mytool && {VERIFY}'"
    assert "`bash -lc` starts a login shell" in case.hint()
    case.terms["verify"] = f"bash -c 'mytool && {VERIFY}'"


def program_in_home(case: Case) -> None:
    (case.home / ".local/bin").mkdir(parents=True)
    (case.home / ".local/bin/mytool").write_text("#!/bin/sh\n")
    (case.home / ".local/bin/mytool").chmod(0o755)
    case.monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    case.terms["verify"] = f"mytool && {VERIFY}"
    found = re.search(r"next: Missing|(\S+/mytool) is not on PATH", case.hint())
    assert found is not None
    case.terms["verify"] = f"{found[1]} && {VERIFY}"


def ignored_file(case: Case) -> None:
    case.bench("assert 'bench' in open('conf/.env').read()")
    case.repo.write(".gitignore", ".env\n")
    case.repo.write("conf/.env", "MODE=bench\n")
    case.follow(r"`(setup: .*?)`")


def linked_file(case: Case) -> None:
    ignored_file(case)
    case.terms.pop("setup")
    case.terms["link"] = "[conf/.env]"
    lines = "".join(f"{key}: {value}\n" for key, value in case.terms.items())
    case.draft.write_text(HEAD + lines, "utf-8")
    done = Helper(case.repo)("check", str(case.draft), code=1)
    found = re.search(r"`(setup: .*?)`", done.err)
    assert found is not None, done
    case.terms.pop("link")
    case.terms["setup"] = f"mkdir -p conf && {found[1].removeprefix('setup: ')}"


def held_port(case: Case) -> None:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    port = server.getsockname()[1]
    case.bench(f"import socket\ns = socket.socket()\ns.bind(('127.0.0.1', {port}))")
    case.terms["sandbox"] = "off"
    hint = case.hint()
    server.close()
    assert "held by another program" in hint


def proxy(case: Case) -> None:
    case.monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    case.bench("assert os.environ.get('HTTPS_PROXY'), 'Could not resolve host: a.org'")
    case.follow(r"`(env: \{pass: .*?\})`")


def metric_on_stderr(case: Case) -> None:
    case.repo.write("bench.py", BENCH.replace(" % w.N)", " % w.N, file=__import__('sys').stderr)"))
    case.follow(r"`(verify: .*?)`")


def json_on_stdout(case: Case) -> None:
    case.repo.write(
        "bench.py", "import w, json\nprint(json.dumps({'runs': [3], 'steps': w.N, 'ok': True}))\n"
    )
    found = re.search(r"pattern: '(.*?)'\}`", case.hint())
    assert found is not None
    case.terms["metric"] = METRIC.replace("}", f", pattern: '{found[1]}'}}")


def node_modules(case: Case) -> None:
    for place, name in (("node_modules", "rootdep"), ("apps/web/node_modules", "leftdep")):
        case.repo.write(f"{place}/{name}/index.js", "module.exports = 1\n")
    case.repo.write(".gitignore", "node_modules/\n")
    case.repo.write("apps/web/src/w.js", "exports.n = 100;\n")
    case.repo.write(
        "apps/web/bench.js",
        'require("rootdep"); require("leftdep");\n'
        'console.log("METRIC steps=" + require("./src/w.js").n);\n',
    )
    case.terms |= {
        "verify": "node apps/web/bench.js",
        "scope": '["apps/web/src/**"]',
        "link": "[node_modules]",
    }
    assert "last words: \"Error: Cannot find module 'leftdep'\"" in case.checked(4)
    case.follow(r"`(link: \[.*?\])`")


def lock_file(case: Case) -> None:
    case.repo.write("package-lock.json", '{"lock": 1}\n')
    case.repo.write("install.sh", "echo '{\"lock\": 2}' >package-lock.json\n")
    case.terms["setup"] = "sh install.sh"
    assert "`npm ci`" in case.hint()
    case.repo.write("package-lock.json", '{"lock": 2}\n')  # brought up to date and committed


def control_bytes(case: Case) -> None:
    case.repo.write(
        "bench.py",
        "import os, w\nred = '' if os.environ.get('NO_COLOR') else '\\x1b[31m'\n"
        "print(f'{red}METRIC steps={w.N}')\n",
    )
    assert "`\\x1b[31mMETRIC steps=100`" in case.checked(4)
    case.follow(r"`(env: \{NO_COLOR.*?\})`")


def hidden_path(case: Case) -> None:
    (case.home / "data.bin").write_text("data")
    case.repo.write("where.txt", str(case.home / "data.bin"))
    case.bench("open(open('where.txt').read()).read()")
    if "sandbox: none" in Helper(case.repo)("doctor").out:
        return
    case.follow(r"`(env: \{DATA.*?\})`")


CASES = [
    metric_on_stderr, no_git, home, ignored_file, lock_file, carriage_return, login_shell,
    program_in_home, linked_file, held_port, proxy, json_on_stdout, node_modules, control_bytes,
    hidden_path,
]  # fmt: skip


@pytest.mark.parametrize(
    "cause", mostly_long(CASES, CASES[:5].__contains__), ids=lambda c: c.__name__
)
def test_the_remedy_leads_out(cause, tmp_path, monkeypatch) -> None:
    """A cause that is taken for another one, or a remedy that ends in the same failure."""
    case = Case(tmp_path, monkeypatch)
    cause(case)
    assert "the contract holds" in case.checked(0)
