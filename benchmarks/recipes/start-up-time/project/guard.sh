set -eu
[ "$(python3 -S src/tool.py --version)" = "tool 1.0" ]
python3 -S src/tool.py --help | grep -q -- --version
