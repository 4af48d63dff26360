#!/usr/bin/env bash
# Tries on an NVIDIA GPU what Finery promises of one, and prints a table for docs/benchmarks.md.
#
#   tools/gpu_check.sh [WHEELS]                  every part, in eight minutes at most; WHEELS: a folder, default ./wheels
#   tools/gpu_check.sh [WHEELS] --part 4bit --part moe      these parts only
#   tools/gpu_check.sh [WHEELS] --cpu            without a GPU: the parts that need none, with tiny shapes
#   tools/gpu_check.sh --collect WHEELS 3.12     on a machine with a network and Finery's environment: fills the folder
#                                                with wheels for that Python on Linux, x86-64
#
# The machine with the GPU needs Python 3.11 or newer with torch, and no network. All else that Finery imports lies in
# WHEELS; bitsandbytes and flash-attn are tried where they are. Nothing is installed: the wheels are unpacked into a
# scratch folder, which comes first among the places of packages and is removed at the end.
#
# Each part has its own limit of time, and one that fails stops no other. Exit code: 0 when every part held that this
# machine can carry out, 1 when one failed or the check could not begin.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"

usage() {
    sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "tools/gpu_check.sh"
}

collect() {
    mkdir -p "$1"
    "$python" -m bench.gpu.wheels >"$1/requirements.txt"
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$1" --python-version "$2" \
        --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
        --requirement "$1/requirements.txt"
}

case "${1:-}" in
    -h | --help) usage && exit 0 ;;
    --collect) [ $# -eq 3 ] || { usage >&2 && exit 1; } && collect "$2" "$3" && exit 0 ;;
esac

wheels=wheels
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    wheels="$1"
    shift
    [ -d "$wheels" ] || { echo "there is no folder $wheels" >&2 && exit 1; }
fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
for wheel in "$wheels"/*.whl; do
    [ -e "$wheel" ] && "$python" -m zipfile -e "$wheel" "$scratch"
done

export PYTHONPATH="$PWD:$PWD/src:$scratch${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
"$python" -m bench.gpu "$@"
