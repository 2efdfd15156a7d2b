"""Share of a checker's policies that a configuration keeps; needs checkov.

Adapt: FOLDER and FRAMEWORK. Suppressions in comments count as failures.
"""

import json
import pathlib
import re
import subprocess
import sys

FOLDER = "infra"
FRAMEWORK = "terraform"
RESOURCES = 2


def main() -> None:
    """Run the checker offline and print passed over all."""
    command = ["checkov", "-d", FOLDER, "--framework", FRAMEWORK, "-o", "json", "--compact",
               "--quiet", "--skip-download"]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    summary = json.loads(done.stdout)["summary"]
    text = "".join(path.read_text() for path in pathlib.Path(FOLDER).rglob("*.tf"))
    silenced = len(re.findall(r"checkov:skip", text))
    if summary["parsing_errors"] or summary["resource_count"] < RESOURCES:
        sys.exit(f"not everything was checked: {summary}")
    every = summary["passed"] + summary["failed"] + summary["skipped"]
    print(f"METRIC kept_policies={100 * (summary['passed'] - silenced) / every:.3f}")


if __name__ == "__main__":
    main()
