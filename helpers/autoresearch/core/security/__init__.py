"""Security sweeps as values: the model, the ledger and its coverage, evidence, reports."""
