"""The edges: the only modules that touch git, processes, the disk and the time."""
