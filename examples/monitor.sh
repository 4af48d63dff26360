#!/usr/bin/env bash
# Follow a run with curl alone.
#
#   examples/monitor.sh RUN_ID      an existing run
#   examples/monitor.sh             a new one: two steps on the shipped samples (finery samples data)
#
# The stream ends with the run. After a broken connection, send the last id seen as the header Last-Event-ID.
set -euo pipefail

api="${FINERY_URL:-http://127.0.0.1:8001}/api/v1"
curl=(curl --silent --show-error --fail-with-body ${FINERY_API_KEY:+--header "Authorization: Bearer $FINERY_API_KEY"})

start() {
    "${curl[@]}" "$api/runs" --header 'Content-Type: application/json' --data '{
      "recipe": "sft",
      "config": {"model_name": "finery/tiny-llama", "dataset_path": "data/instructions.jsonl", "max_steps": 2}
    }' | grep -o '"id":"[^"]*"' | head -1 | cut -d '"' -f 4
}

run="${1:-$(start)}"
echo "run $run"
"${curl[@]}" --no-buffer "$api/runs/$run/events/stream" | sed -n 's/^data: //p'

echo "the log's last lines:"
"${curl[@]}" "$api/runs/$run/logs?tail=5"
echo
