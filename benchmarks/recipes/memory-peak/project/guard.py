import subprocess
import sys

for size, want in (("10", "7"), ("100", "92")):
    done = subprocess.run([sys.executable, "src/program.py", size], capture_output=True, text=True)
    assert done.stdout.strip() == want, (size, done.stdout)
