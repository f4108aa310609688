#!/bin/sh
# What the browser tests need, where it is missing: Chromium, Firefox, and axe-core, which checks
# pages. $1 is the environment's bin folder. What cannot be had is told; the tests then say what they
# leave out.
bin=$1

has_browser() {
    [ -n "${CHROMIUM:-}" ] && return 0
    for name in chromium chromium-browser google-chrome chrome; do
        command -v "$name" >/dev/null && return 0
    done
    "$bin/python" - <<'EOF'
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not Path(playwright.chromium.executable_path).exists())
EOF
}

may_install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null
}

install() {
    apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

get_browser() {
    echo "Installing Chromium for the browser tests"
    if may_install; then
        install chromium
    else
        "$bin/python" -m playwright install chromium
    fi
}

has_browser || get_browser || echo "mssviz: Chromium could not be installed; browser tests are left out" >&2

if ! command -v firefox-esr >/dev/null && ! command -v firefox >/dev/null; then
    echo "Installing Firefox for one of the browser tests"
    { may_install && install firefox-esr; } ||
        echo "mssviz: Firefox could not be installed; its test is left out" >&2
fi

if [ ! -f tools/js/node_modules/axe-core/axe.min.js ]; then
    sh tools/js/setup.sh ||
        echo "mssviz: without axe-core, the tests of accessibility are left out" >&2
fi
exit 0
