#!/usr/bin/env bash
# contract/run.sh [CASES]: starts a server and lets schemathesis hold it against its own OpenAPI document, in all phases. CASES is
# roughly how many requests the generating phases make (default 600; the long form is 10000). Any 5xx and any answer that the document
# does not describe fails the run.
#
# Needs python3-venv; schemathesis is installed into target/schemathesis, at the version below.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly SCHEMATHESIS=4.32.5
readonly CASES=${1:-600}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
venv=$target/schemathesis-$SCHEMATHESIS
program=${CONVERTFLY_PROGRAM:-$target/debug/convertfly}
[ -x "$program" ] || cargo build --bin convertfly

if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "schemathesis==$SCHEMATHESIS" "openapi-spec-validator==0.7.2"
fi

work=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

# The limits of the default account are out of the way: what is under test is the contract, not the limiter.
printf '[default_account]\nrequests_per_minute = 1000000000\ncredits = 1000000000\nwaiting_jobs = 1000000\n' >"$work/convertfly.toml"
# Nor may the limit of requests without a key answer before the lack of one does.
CONVERTFLY_RATE_WINDOW_MS=10 CONVERTFLY_CONFIG=$work/convertfly.toml CONVERTFLY_DATA=$work/data CONVERTFLY_GPU=off \
  "$program" serve --listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
server=$!
url=
for _ in $(seq 600); do
  url=$(sed -n 's/.*listening on \(http[^" ]*\).*/\1/p' "$work/log" | head -1)
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { echo "the server did not start" >&2; exit 1; }
key=$(cat "$work/data/api-key")

"$venv/bin/python" - "$url" <<'PYTHON'
import json, sys, urllib.request
from openapi_spec_validator import OpenAPIV31SpecValidator
document = json.load(urllib.request.urlopen(sys.argv[1] + "/api/v1/openapi.json"))
faults = [f"{list(error.path)}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
sys.exit("\n".join(faults) or None)
PYTHON
echo "the document is valid OpenAPI 3.1"

# Jobs of every kind, so that their identifiers and links can be used: some wait for an upload, some have finished.
"$venv/bin/python" - "$url" "$key" "$work" <<'PYTHON'
import json, sys, urllib.request
url, key, work = sys.argv[1:]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + "/api/v1" + path, data, headers, method=method)
    return json.load(urllib.request.urlopen(request))["data"]
jobs, ended, uploads, downloads = [], [], [], []
for number in range(60):
    waits = number % 2 == 0
    source = {"operation": "import/upload"} if waits else {"operation": "import/base64", "file": PNG, "filename": "a.png"}
    job = call("POST", "/jobs", {"tasks": {
        "in": source,
        "convert": {"operation": "convert", "input": ["in"], "output_format": "webp"},
        "export": {"operation": "export/url", "input": ["convert"]},
    }})
    jobs.append(job["id"])
    if waits:
        uploads.append(job["tasks"]["in"]["result"]["url"].rsplit("/", 1)[1])
    else:
        job = call("GET", f"/jobs/{job['id']}/wait?timeout=60")
        ended.append(job["id"])
        downloads.append(job["tasks"]["export"]["result"]["url"].rsplit("/", 1)[1])
for name, values in [("jobs", jobs), ("ended", ended), ("uploads", uploads), ("downloads", downloads)]:
    with open(f"{work}/{name}", "w") as file:
        file.writelines(f'"{value}"\n' for value in values)
PYTHON
sed "s|@WORK@|$work|" tests/contract/schemathesis.toml >"$work/schemathesis.toml"

operations=$(curl -sS "$url/api/v1/openapi.json" | "$venv/bin/python" -c 'import json, sys; print(sum(len(m) for m in json.load(sys.stdin)["paths"].values()))')
# Some operations have nothing to vary and end early: the others make up for them.
each=$(( CASES * 2 / operations > 0 ? CASES * 2 / operations : 1 ))
status=0
# It keeps notes where it runs.
cd "$work"
"$venv/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$url/api/v1/openapi.json" --url "$url" \
  --header "Authorization: Bearer $key" --phases examples,coverage,fuzzing,stateful --max-examples "$each" \
  --workers 1 --request-timeout 60 --continue-on-failure --seed 7 --no-color ${SCHEMATHESIS_ARGS:-} || status=$?

# The server's own count, whatever the tool has made of the answers.
curl -sS "$url/metrics" >"$work/metrics"
fives=$(sed -n 's/^convertfly_http_requests_total{.*status="5[0-9][0-9]"} //p' "$work/metrics" | awk '{ sum += $1 } END { print sum + 0 }')
requests=$(sed -n 's/^convertfly_http_requests_total{.*} //p' "$work/metrics" | awk '{ sum += $1 } END { print sum + 0 }')
panics=$(sed -n 's/^convertfly_http_panics_total //p' "$work/metrics")
echo "the server counts $requests requests, $fives of them answered by 5xx, and $panics panics"
if [ "$fives" != 0 ] || [ "$panics" != 0 ]; then
  grep -E '"status":5|panic' "$work/log" | head -20
  status=1
fi
exit "$status"
