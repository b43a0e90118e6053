#!/usr/bin/env bash
# Counts the instructions of the hot loops under callgrind and holds them against benches/guards/counts.json.
#   benches/guards/run.sh            fails where a loop takes more than the tolerance more than recorded
#   benches/guards/run.sh --record   writes down what it takes now, for this version of rustc
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { echo "guards: valgrind is missing; deploy/install-deps.sh test" >&2; exit 1; }

target=${CARGO_TARGET_DIR:-target}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Incremental builds cut crates in other places, and count differently.
export CARGO_INCREMENTAL=0
cargo build --locked -p convertfly-guards --config benches/guards/profile.toml

for part in jpeg png scalar avx2; do
  valgrind --tool=callgrind --quiet --collect-atstart=no --toggle-collect='*counted_by_callgrind*' \
    --dump-after='*noted_by_callgrind*' --callgrind-out-file="$work/$part.out" \
    "$target/debug/convertfly-guards" "$part" >"$work/$part.names"
done
python3 benches/guards/compare.py benches/guards/counts.json "$(rustc --version)" "$work" "$@"
