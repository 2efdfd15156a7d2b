"""Blocks that PostgreSQL touches for a query: a count, on a cluster of its own, without network.

Adapt: FILL, SCHEMA, QUERY and EXPECTED (print it once with --digest). The cluster lies in a
temporary folder and listens on a socket there alone; root runs it as the user `postgres`.
"""

import glob
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

SCHEMA = pathlib.Path("sql/schema.sql").read_text()
QUERY = pathlib.Path("sql/report.sql").read_text()
FILL = """
INSERT INTO customer SELECT n, 'name ' || n % 97 FROM generate_series(0, 199) n;
INSERT INTO sale SELECT n, (n * n) % 200, (n * 7919) % 1000 FROM generate_series(0, 19999) n;
VACUUM ANALYZE customer; VACUUM ANALYZE sale;
"""
EXPECTED = "61e76ad9d25fb9f4"
SETTINGS = "-c listen_addresses='' -c autovacuum=off -c jit=off -c max_parallel_workers=0 -c fsync=off"


class Cluster:
    """A cluster in a temporary folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            try:
                os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
            except OSError:
                sys.exit("root has no other user in a sandbox: run as another, or `sandbox: off`")

    def run(self, program: str, *arguments: str, text: str = "") -> str:
        """Run one of PostgreSQL's programs; its output."""
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
        command = [found[-1] if found else shutil.which(program) or program, *arguments]
        done = subprocess.run(
            command, input=text, cwd=self.folder, user=self.user, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{program} failed: {done.stderr[-300:]}")
        return done.stdout

    def psql(self, text: str) -> str:
        """What a script answers, bare."""
        options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder)
        return self.run("psql", *options, "-d", "postgres", text=text)


def main() -> None:
    """Make, fill, ask, count, stop."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg") as folder:
        cluster = Cluster(folder)
        place = f"{folder}/data"
        cluster.run("initdb", "-D", place, "--no-sync", "--locale=C", "-E", "UTF8", "-A", "trust")
        log = f"{folder}/log"
        cluster.run(
            "pg_ctl", "-D", place, "-l", log, "-w", "-o", f"{SETTINGS} -k {folder}", "start"
        )
        try:
            cluster.psql(SCHEMA + FILL)
            rows = cluster.psql(QUERY)
            query = QUERY.strip().rstrip(";")
            plan = json.loads(cluster.psql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}"))
        finally:
            cluster.run("pg_ctl", "-D", place, "-m", "immediate", "stop")
    digest = hashlib.sha256(rows.encode()).hexdigest()[:16]
    if "--digest" in sys.argv:
        print(digest)
    elif digest != EXPECTED:
        sys.exit(f"wrong answer: {digest}")
    else:
        top = plan[0]["Plan"]
        print(f"METRIC blocks={top['Shared Hit Blocks'] + top['Shared Read Blocks']}")
        print(f"METRIC query_ms={plan[0]['Execution Time']}")


if __name__ == "__main__":
    main()
