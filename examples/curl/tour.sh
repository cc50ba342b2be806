#!/usr/bin/env bash
# The API of a running monitor from a shell: examples/curl/tour.sh [http://localhost:8081]
set -euo pipefail
api="${1:-http://localhost:8081}/api/v1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

machine=TOUR-1
# GNU's date, or BSD's.
minute=$(date -u -d '10 minutes ago' +%Y-%m-%dT%H:%M 2> /dev/null || date -u -v-10M +%Y-%m-%dT%H:%M)

say() { printf '\n== %s\n' "$*"; }
# Prints the answer also when it is a problem, and stops then.
ask() { curl --silent --show-error --fail-with-body "$@"; }
json=(--header 'content-type: application/json')
ndjson=(--header 'content-type: application/x-ndjson')

say 'One reading in'
ask "${json[@]}" "$api/readings" --data @- <<JSON
{"machine_id": "$machine", "timestamp": "${minute}:00Z", "spindle_speed": 11800, "machine_state": "RUNNING"}
JSON

say 'Many readings in, one a line; sent again with the same key they are stored once'
for second in 10 11 12; do
  echo "{\"machine_id\": \"$machine\", \"timestamp\": \"${minute}:${second}Z\", \"temperature\": $second.5}"
done > "$work/readings.ndjson"
for attempt in 1 2; do
  ask "${ndjson[@]}" --header "idempotency-key: tour-$$" "$api/readings" --data-binary @"$work/readings.ndjson"
  echo
done

say 'What is refused is answered with its reason'
curl --silent "${json[@]}" "$api/readings" --data "{\"machine_id\": \"$machine\"}"

say 'The machine gets a name'
for _ in $(seq 50); do # it is known once its first reading is stored
  if ask --output /dev/null "$api/machines/$machine" 2> /dev/null; then break; fi
  sleep 0.1
done
ask --request PATCH "${json[@]}" "$api/machines/$machine" --data '{"name": "Mill of the tour", "axis_count": 5}'

say 'All machines, and the last reading of each'
ask "$api/machines"
echo
ask "$api/latest"

say 'Readings of a window, newest first, two at a time: the Link header leads to the next page'
ask --dump-header - --get "$api/machines/$machine/data" --data-urlencode "start_time=${minute}:00Z" --data limit=2 --data order=desc

say 'All of them as CSV, and as NDJSON of two fields'
ask "$api/machines/$machine/data?format=csv" --output "$work/readings.csv"
cat "$work/readings.csv"
ask --header 'accept: application/x-ndjson' "$api/data?machine_id=$machine&fields=spindle_speed,temperature"

say 'For a chart: ten-second buckets of the last ten minutes, null where there is nothing'
ask --get "$api/machines/$machine/series" --data fields=temperature --data bucket=10s --data agg=min,max,count \
  --data-urlencode "start_time=${minute}:00Z"

say 'The live feed, for two seconds'
curl --silent --max-time 2 "$api/events?machine=$machine" || true

say 'What was refused from the stream, and what everything takes on the disk'
ask "$api/dead-letters?limit=3"
echo
ask "$api/storage"

say 'The machine of the tour goes, with its readings'
ask --request DELETE "$api/machines/$machine?readings=delete"
echo
