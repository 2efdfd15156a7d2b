"""`scan`: what a project says of itself, and the contract's parts that follow from it."""
