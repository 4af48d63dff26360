#!/usr/bin/env bash
# Writes constraints.txt from the environment. A build's local label (torch 2.13.0+cpu) is dropped,
# so that the file fits machines with and without a GPU; CUDA's own packages are left to torch.
set -euo pipefail
cd "$(dirname "$0")/.."

new="$(mktemp)"
trap 'rm -f "$new"' EXIT
{
    grep '^#' constraints.txt
    "${VENV:-.venv}/bin/python" -m pip list --format freeze --disable-pip-version-check --exclude-editable \
        --exclude pip --exclude setuptools --exclude wheel |
        awk -F '==' '$1 == "nvidia-ml-py" || $1 !~ /^(nvidia-|cuda-|triton$)/' |
        sed -E 's/\+[A-Za-z0-9.]+$//'
} >"$new"
cat "$new" >constraints.txt
