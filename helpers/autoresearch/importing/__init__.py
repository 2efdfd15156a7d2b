"""Logs of other tools: read, judged, gone on with, and written."""
