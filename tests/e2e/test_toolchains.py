"""Real toolchains under the sandbox: what they need of the home is there, its secrets are not."""

from __future__ import annotations

import pytest
from support.confined import overlay_path, overlay_sandbox, working_sandbox
from support.long import mostly_long
from support.toolchains import PROJECTS, missing, try_project


@pytest.mark.parametrize("name", mostly_long(PROJECTS, "python".__eq__))
@pytest.mark.parametrize("overlaid", [False, True], ids=["itself", "overlay"])
def test_a_session(tmp_path, monkeypatch, name, *, overlaid):
    """A compiler, library or cache that the sandbox hides; or a token that it leaves readable."""
    sandbox = overlay_sandbox() if overlaid else working_sandbox()
    lacking = missing(PROJECTS[name])
    if lacking:
        pytest.skip(f"no {', '.join(lacking)} here (`make toolchains` tries all)")
    if overlaid and name == "node":
        pytest.skip("npm is slow, and writes to no cache")
    if overlaid:
        monkeypatch.setenv("PATH", overlay_path())
    tried = try_project(name, tmp_path)
    assert tried.sandbox.startswith(sandbox.name)
    assert tried.verdicts == ("keep", "discard")
