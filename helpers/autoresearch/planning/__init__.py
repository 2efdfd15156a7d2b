"""From a draft to a contract that holds: rehearsal, `init`, `amend`."""
