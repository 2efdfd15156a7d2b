"""The loop: one experiment from edit to log line, and what a session remembers."""
