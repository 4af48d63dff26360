#!/usr/bin/env bash
# Makes the virtual environment and installs Finery into it, with everything the targets of the
# Makefile need. Installs nothing while constraints.txt and what pyproject.toml says of the package
# are what they were at the last install.
set -euo pipefail
cd "$(dirname "$0")/.."

venv="${VENV:-.venv}"
stamp="$venv/.ready"
extras="train,serve,postgres,mysql,dev"

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${PYTHON3:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Finery needs Python 3.11 or later, and none was found." \
        "Install one, or name it: make setup PYTHON3=/path/to/python3.11"
}

make_venv() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
    local python
    python="$(find_python)"
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        local version
        version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        fail "$python cannot make virtual environments: its ensurepip module is missing." \
            "On Debian and Ubuntu: sudo apt-get install python$version-venv" \
            "With conda: conda install pip. Elsewhere: a Python from python.org has it."
    fi
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv "$venv"
}

fingerprint() {
    "$venv/bin/python" <<'PYTHON'
import hashlib, json, pathlib, sys, tomllib

project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
package = {key: project[key] for key in ("build-system", "project")} | {"hatch": project["tool"]["hatch"]}
digest = hashlib.sha256((sys.version + json.dumps(package, sort_keys=True)).encode())
digest.update(pathlib.Path("constraints.txt").read_bytes())
print(digest.hexdigest())
PYTHON
}

install() {
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    local torch
    torch="$(grep '^torch==' constraints.txt)"

    # First and alone, by exact version: the later steps then find it there and keep its build.
    echo "Installing $torch (the largest part; a few minutes)"
    "${pip[@]}" ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} -c constraints.txt "$torch"

    echo "Installing finery[$extras]"
    "${pip[@]}" -c constraints.txt -e ".[$extras]"
}

make_venv
wanted="$(fingerprint)"
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    rm -f "$stamp"
    install
fi
# Written even when nothing was installed: make compares its time with pyproject.toml's.
echo "$wanted" >"$stamp"
