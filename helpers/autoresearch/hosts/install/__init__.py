"""`install HOST` and `uninstall HOST`: the skill and the commands where a host looks for them.

There is one source of text, `skill/` and `commands/`; what a host wants in another form is made
from it here. Unlike the rest of `hosts`, nothing here runs inside a hook.
"""
