"""Files that are copied into users' projects, and the demo's sample project: data, not code."""

from pathlib import Path

FOLDER = Path(__file__).parent
