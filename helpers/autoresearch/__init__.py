"""Referee of an agent's improvement loop: measures, decides, records, keeps and puts back."""

__version__ = "0.1.0"
