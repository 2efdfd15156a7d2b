"""The fixture application has checks of its own, which its sessions run."""

collect_ignore = ["fixture", "proofs"]
