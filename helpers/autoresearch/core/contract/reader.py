"""The contract's text to a Contract: nodes to plain values, and these through the strict reader.

Which keys there are, and what each may hold, is declared in `keys`. Here stand the rules between
keys, and what an error says: the line, the key, the value and the remedy.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import wire
from autoresearch.core.contract.keys import (
    Contract,
    Holdout,
    Reported,
    StopWhen,
    Term,
    terms_of,
)
from autoresearch.core.contract.scalars import (
    COMMAND,
    LITERAL,
    WHOLE,
    Notation,
    Quantity,
    RefusedValueError,
    compose,
    failure,
    quoted,
)
from autoresearch.core.errors import ContractError

MAX_READS = 20

"""Known keys that this version would not honour, and why; refused rather than ignored."""

_LINES_BELOW = "Write `key: value` lines below it."
_VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
_NULL = "tag:yaml.org,2002:null"
_STRING = "tag:yaml.org,2002:str"

_FORBIDDEN = {
    "PATH": "the search path is recorded once by `init`",
    "HOME": "each sample gets a home of its own",
    "TMPDIR": "each sample gets a temporary folder of its own",
    "ENV": "shells run the file it names",
    "BASH_ENV": "shells run the file it names",
    "SHELLOPTS": "it changes how the shell reads the command",
    "BASHOPTS": "it changes how the shell reads the command",
    "IFS": "it changes how the shell reads the command",
    "GIT_*": "it redirects git",
    "LD_*": "it loads code into every program",
    "DYLD_*": "it loads code into every program",
    "BASH_FUNC_*": "it replaces commands of the shell",
    "AUTORESEARCH_*": "the helper sets it",
}
"""Environment variables that no contract may set or pass, and why; a star ends a prefix."""

_PROGRAM = re.compile(
    r"/(?:python|pypy|node|deno|bun|ruby|perl|php|java|go|cargo|julia|Rscript|dotnet|sh|bash|env)"
    r"[0-9.]*$"
)
"""Interpreters, wherever they are installed."""

_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib", "/dev/", "/proc/", "/nix/store/")

_Path = tuple[str | int, ...]


class _Place(NamedTuple):
    """Where a value stands, and which key it belongs to; None: to the contract as a whole."""

    node: yaml.Node
    term: Term | None


def parse(content: str, *, name: str = "autoresearch.yaml") -> Contract:
    """The contract in a file's text, with every default filled in.

    Raises ContractError, which names line, value and remedy.
    """
    return _Reader(name).read(compose(content, name))


class _Reader:
    """One reading of a file; `places` holds each value by its keys and list positions."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[_Path, _Place] = {}

    def read(self, root: yaml.Node) -> Contract:
        self.places[()] = _Place(root, None)
        plain = self._section(root, (), Contract)
        try:
            contract = wire.convert(plain, Contract)
        except wire.MismatchError as error:
            raise self._explained(error) from error
        return self._rules(contract)

    def error(self, path: _Path, problem: str, hint: str) -> ContractError:
        """The error that names the line and the key of a value."""
        return self._error_at(self.places[path].node, path, problem, hint)

    def _shown(self, path: _Path) -> str:
        return _shown(self.places[path].node)

    def _line(self, path: _Path) -> int:
        return self.places[path].node.start_mark.line + 1

    def _error_at(self, node: yaml.Node, path: _Path, problem: str, hint: str) -> ContractError:
        dotted = ".".join(key for key in path if isinstance(key, str))
        subject = f"`{dotted}`" if dotted else "the contract"
        return failure(self.file, node.start_mark.line + 1, f"{subject} {problem}", hint)

    def _section(self, node: yaml.Node, path: _Path, kind: type[Struct]) -> object:
        """The plain values of a mapping, all of whose keys are known."""
        if not isinstance(node, yaml.MappingNode):
            return self._other(node, path)
        terms = {name: term for name, term in terms_of(kind).items() if "." not in name}
        held: dict[str, Any] = {}
        for name, key, value in self._entries(node, path):
            if name not in terms:
                near = wire.nearest(name, terms)
                hint = f"Did you mean `{near}`?" if near else f"Known keys: {', '.join(terms)}."
                raise self._error_at(key, path, f"has the unknown key {quoted(name)}", hint)
            held |= self._value(value, (*path, name), terms[name])
        if issubclass(kind, Reported):
            self._agree(held, path)
        return held

    def _entries(
        self, node: yaml.MappingNode, path: _Path
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Name, key and value of each entry; a name is a plain word and stands once."""
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _NULL:
                problem = f"has {_shown(key)} where a key belongs"
                raise self._error_at(key, path, problem, "Write plain words as keys.")
            name = str(key.value)
            if name in lines:
                problem = f"contains {quoted(name)} twice, first on line {lines[name]}"
                raise self._error_at(key, path, problem, "Remove one of the two.")
            lines[name] = key.start_mark.line + 1
            yield name, key, value

    def _value(self, node: yaml.Node, path: _Path, term: Term) -> dict[str, object]:
        """The plain value under its key, and what is derived from it."""
        self.places[path] = _Place(node, term)
        if term.name == "env":
            return self._env(node, path)
        own = {"transfer": self._workloads, "holdout": self._holdout}.get(term.name)
        if own is not None:
            return {term.name: own(node, path)}
        if not term.is_list:
            found = self._single(node, path, term)
            if isinstance(found, Quantity):
                return {term.name: found.amount, f"{term.name}_relative": found.relative}
            return {term.name: found}
        if not isinstance(node, yaml.SequenceNode):
            return {term.name: self._other(node, path)}
        items = []
        for at, item in enumerate(node.value):
            place = (*path, at)
            self.places[place] = _Place(item, term)
            items.append(self._single(item, place, term))
        return {term.name: items}

    def _single(self, node: yaml.Node, path: _Path, term: Term) -> object:
        if term.section is not None:
            return self._section(node, path, term.section)
        return self._scalar(node, path, term.kind)

    def _scalar(self, node: yaml.Node, path: _Path, kind: Notation) -> object:
        """What a single value says; what is of another kind is left for `_explained`."""
        if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
            return self._other(node, path, kind.remedy)
        if kind.is_text and node.tag != _STRING:
            read_as = node.tag.rpartition(":")[2]
            problem = f"is {_shown(node)}, which YAML reads as {read_as}"
            raise self.error(path, problem, "Put it in quotes.")
        try:
            return kind.read(node.value)
        except RefusedValueError as refused:
            raise self.error(path, str(refused), refused.hint) from refused

    def _other(self, node: yaml.Node, path: _Path, remedy: str = "Write a value.") -> object:
        """A value of another shape than its key takes, which the strict reader will refuse."""
        if isinstance(node, yaml.ScalarNode):
            if node.tag == _NULL:
                hint = f"{remedy.rstrip('.')}, or remove the line."
                raise self.error(path, "has no value", hint)
            return node.value
        return [] if isinstance(node, yaml.SequenceNode) else {}

    def _env(self, node: yaml.Node, path: _Path) -> dict[str, object]:
        """Variables with their values, and names passed through; both sorted."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(path, f"is {_shown(node)}, not a mapping", _LINES_BELOW)
        env: dict[str, str] = {}
        passed: list[yaml.Node] = []
        for name, key, value in self._entries(node, path):
            at = (*path, name)
            self.places[at] = _Place(value, None)
            if name == "pass":
                if not isinstance(value, yaml.SequenceNode):
                    hint = "Write names of variables, as in `env.pass: [FIRST, SECOND]`."
                    raise self.error(at, f"is {_shown(value)}, not a list", hint)
                passed = value.value
                continue
            self._require_allowed(key, path, name)
            env[name] = self._variable(value, at)
        names: set[str] = set()
        for item in passed:
            name = str(item.value)
            self._require_allowed(item, (*path, "pass"), name)
            if name in env or name in names:
                hint = "Either set a variable or pass it, once."
                raise self._error_at(item, (*path, "pass"), f"names {name} again", hint)
            names.add(name)
        return {"env": sorted(env.items()), "env.pass": sorted(names)}

    def _variable(self, node: yaml.Node, path: _Path) -> str:
        """The value as written; numbers need no quotes here, truth values do."""
        numbers = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
        kind = LITERAL._replace(is_text=node.tag not in numbers)
        found = self._scalar(node, path, kind)
        if not isinstance(found, str):
            raise self.error(path, f"is {_shown(node)}, not text", kind.remedy)
        return found

    def _require_allowed(self, node: yaml.Node, path: _Path, name: str) -> None:
        """Make sure that a contract may set or pass the variable."""
        if not isinstance(node, yaml.ScalarNode) or not re.fullmatch(_VARIABLE, name):
            problem = f"names {_shown(node)}, which is not a valid name of a variable"
            hint = "Use ASCII letters, digits and underscores; no digit first."
            raise self._error_at(node, path, problem, hint)
        for forbidden, reason in _FORBIDDEN.items():
            prefix = forbidden.removesuffix("*")
            if name == forbidden or (prefix != forbidden and name.startswith(prefix)):
                hint = "Set it inside the command, as in `verify: env NAME=value ./bench.sh`."
                raise self._error_at(node, path, f"may not name {name}: {reason}", hint)

    def _workloads(self, node: yaml.Node, path: _Path) -> object:
        """Names and their commands."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(path, f"is {_shown(node)}, not a mapping", _LINES_BELOW)
        found = []
        for name, _, value in self._entries(node, path):
            at = (*path, name)
            self.places[at] = _Place(value, None)
            command = self._scalar(value, at, COMMAND)
            if not isinstance(command, str) or not re.fullmatch(_VARIABLE, name):
                problem = "is no command under a name of letters, digits and underscores"
                raise self.error(at, problem, "Write it as in `transfer: {large: ./large.sh}`.")
            found.append((name, command))
        return found

    def _holdout(self, node: yaml.Node, path: _Path) -> object:
        """A command, or a mapping; with the paths that it reads."""
        held: Any
        if isinstance(node, yaml.ScalarNode):
            held = {"command": self._scalar(node, path, COMMAND)}
        else:
            held = self._section(node, path, Holdout)
        reads = held.get("reads", []) if isinstance(held, dict) else None
        if not isinstance(reads, list):
            return held
        if len(reads) > MAX_READS:
            problem = f"lists {len(reads)} entries; at most {MAX_READS} are allowed"
            raise self.error((*path, "reads"), problem, "Name the folder that holds them.")
        command = held.get("command")
        named = _absolute_words(command) if isinstance(command, str) else ()
        return {**held, "reads": list(dict.fromkeys((*named, *reads)))}

    def _agree(self, held: dict[str, Any], path: _Path) -> None:
        """Make sure that the terms of a metric agree with its source and its direction."""
        source = held.get("source")
        if source in ("cpu", "wall"):
            if held.setdefault("unit", "s") != "s":
                unit = self._shown((*path, "unit"))
                problem = f"is {unit}, but {source} time is measured in seconds"
                raise self.error((*path, "unit"), problem, "Write s, or remove the unit.")
            if "pattern" in held:
                problem = f"is set, but {source} time is not read from the output"
                raise self.error((*path, "pattern"), problem, "Remove it.")
            if held.get("deterministic") is True:
                problem = f"is true, but {source} time never repeats exactly"
                raise self.error((*path, "deterministic"), problem, "Remove it.")
        if isinstance(held.get("limit"), float):
            at = (*path, "limit")
            written = self.places[at].node.value
            direction = "higher" if held.get("direction") == "higher" else "lower"
            worse = "-" if direction == "higher" else "+"
            size = written.lstrip("+-")
            if not written.startswith((worse, size)):
                problem = f"is {self._shown(at)}, which is a gain where {direction} is better"
                raise self.error(at, problem, f"Write {worse}{size}: how much worse it may become.")
            held["limit"] = abs(held["limit"])

    def _rules(self, contract: Contract) -> Contract:
        """The contract, once the rules between its keys hold; the timeout follows its budget."""
        if not contract.scope:
            hint = 'List what may change, such as ["src/**/*.py"].'
            raise self.error(("scope",), "is empty", hint)
        self._require_own_names(contract)
        self._require_apart(contract)
        if contract.race.pairs is not None and contract.race.max_runs is not None:
            problem = "is set together with `race.max_runs`"
            raise self.error(("race", "pairs"), problem, "Keep one of the two.")
        if contract.stop_when is StopWhen.NOT_WORTH and contract.worth.percent is None:
            hint = "Say what one per cent of gain is worth: `worth: {percent: 5, hour: 1}`."
            raise self.error(("stop_when",), "is not_worth without `worth.percent`", hint)
        budget_s, timeout_s = contract.time_budget_s, contract.timeout_s
        if budget_s is not None and ("timeout",) not in self.places:
            return replace(contract, timeout_s=timeout_s + budget_s)
        if budget_s is not None and budget_s >= timeout_s:
            shown = self._shown(("time_budget",))
            hint = "Raise `timeout`, or remove it: without it the limit follows time_budget."
            problem = f"is {shown}, not below the timeout of {timeout_s:g}s"
            raise self.error(("time_budget",), problem, hint)
        return contract

    def _require_own_names(self, contract: Contract) -> None:
        taken = {contract.metric.name: "the metric"}
        for at, one in enumerate(contract.secondary):
            path = ("secondary", at)
            if one.name in taken:
                problem = f"names {one.name}, which is {taken[one.name]} already"
                raise self.error(path, problem, "Give each metric its own name.")
            taken[one.name] = f"on line {self._line(path)}"
        if contract.claim is not None and contract.claim not in [
            o.name for o in contract.secondary
        ]:
            problem = f"is {contract.claim}, which is no secondary metric"
            raise self.error(("claim",), problem, "List it under `secondary` too.")

    def _require_apart(self, contract: Contract) -> None:
        """No folder of `link` or `cache` inside another, or two rules would hold for one file."""
        lines: dict[str, int] = {}
        for key, folders in (("link", contract.link), ("cache", contract.cache)):
            for at, folder in enumerate(folders):
                path = (key, at)
                for other, line in lines.items():
                    if f"{folder}/".startswith(f"{other}/") or f"{other}/".startswith(f"{folder}/"):
                        shown = self._shown(path)
                        problem = f"contains {shown}, which overlaps {other!r} on line {line}"
                        raise self.error(path, problem, "Keep only one of them.")
                lines[folder] = self._line(path)

    def _explained(self, error: wire.MismatchError) -> ContractError:
        """What the strict reader refused, with our line and remedy."""
        path, value = error.path, error.value
        if error.missing:
            hint = f"Add `{error.missing}: ...`; docs/contract.md describes it."
            return self.error(path, f"lacks the key `{error.missing}`", hint)
        node, term = self.places[path]
        return self.error(path, *_complaint(value, _shown(node), term, path))


def _complaint(value: object, shown: str, term: Term | None, path: _Path) -> tuple[str, str]:
    """What is wrong with a value that the strict reader refused, and the remedy."""
    is_list = term is not None and term.is_list and isinstance(path[-1], str)
    if term is None or (term.section is not None and not is_list):
        return f"is {shown}, not a mapping", _LINES_BELOW
    bounds, kind = term.bounds, term.kind
    if is_list and not isinstance(value, list):
        return f"is {shown}, not a list", f"Write a list, as in `{term.name}: [first, second]`."
    if is_list and isinstance(value, list):
        problem = f"lists {len(value)} entries; at most {bounds.max_length} are allowed"
        hint = "Use fewer, broader entries."
    elif isinstance(value, (int, float)):
        problem, hint = f"is {shown}, out of range", _range(term)
    elif kind.is_text and isinstance(value, str) and bounds.pattern is not None:
        problem, hint = f"is {shown}, which is not {term.key.noun}", term.key.remedy
    elif kind.is_text and isinstance(value, str):
        problem = f"has {len(value)} characters, more than {bounds.max_length}"
        hint = "Shorten it."
    else:
        problem = f"is {shown}, not {kind.wanted}"
        hint = _range(term) if kind is WHOLE else kind.remedy
    return problem, hint


def _range(term: Term) -> str:
    """The remedy for a number out of bounds."""
    bounds, show = term.bounds, term.kind.show
    if bounds.ge is None:
        return f"Write more than {bounds.gt} and at most {show(bounds.le)}."
    return f"Write {term.kind.wanted} from {show(bounds.ge)} to {show(bounds.le)}."


def _shown(node: yaml.Node) -> str:
    """The value for a message: quoted, escaped and cut."""
    if isinstance(node, yaml.ScalarNode):
        return quoted(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _absolute_words(command: str) -> tuple[str, ...]:
    """The words of a command that are absolute paths, but for programs of the system."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:  # an open quote: the shell will say so
        words = command.split()
    found = (word.rstrip("/") for word in words if word.startswith("/"))
    # The programs that run it are no secret; hiding them would break everything else.
    return tuple(
        word
        for word in found
        if word and not word.startswith(_SYSTEM) and not _PROGRAM.search(word)
    )
