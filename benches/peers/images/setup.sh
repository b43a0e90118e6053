#!/usr/bin/env bash
# Installs the peers of `convertfly bench peers` into this folder: sharp from npm, pyvips and Pillow from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/pip install --quiet --requirement requirements.txt
