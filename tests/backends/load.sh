# Loads the servers: tracegen, HotROD and hand-written posts into the Jaegers, generated posts into Zipkin.

TRACEGEN_TRACES=4000 # of each of tg-00 and tg-01
HOTROD_REQUESTS=200
BURST_TRACES=250 # that begin in the same microsecond
ZIPKIN_TRACES=4000

ago() { printf %s $(($(date +%s) - $1)); }

# How often a text matches a pattern.
occurrences() { grep -oE "$1" | wc -l; }

# How many traces of a service a Jaeger with the legacy search has, ever.
jaeger_traces() { # URL SERVICE
  get --get "$1/api/traces" --data-urlencode "service=$2" --data limit=20000 --data start=0 |
    occurrences '"traceID":"[0-9a-f]+","spans"'
}

jaeger_spans() { # URL SERVICE
  get --get "$1/api/traces" --data-urlencode "service=$2" --data limit=20000 --data start=0 | occurrences '"spanID"'
}

zipkin_traces() { # URL SERVICE
  get --get "$1/api/v2/traces" --data-urlencode "serviceName=$2" --data limit=20000 --data lookback=864000000 |
    occurrences '\[\{"traceId"'
}

# holds COUNT FUNCTION URL SERVICE
holds() { (($("$2" "$3" "$4") == $1)); }

post() { # URL, the body on standard input
  get --output /dev/null --header 'Content-Type: application/json' --data-binary @- "$1"
}

load_tracegen() {
  say "loading $((2 * TRACEGEN_TRACES)) traces of tracegen ..."
  # Each of two workers gives its traces to the two services in turn.
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$otlp "$bin/tracegen" -traces "$TRACEGEN_TRACES" -workers 2 \
    -service tg -services 2 -spans 3 -attrs 3 >"$run/tracegen.log" 2>&1
}

load_hotrod() {
  local frontend customer driver route name
  free_port frontend && free_port customer && free_port driver && free_port route
  local flags=(--frontend-service-port "$frontend" --customer-service-port "$customer"
    --driver-service-port "$driver" --route-service-port "$route")
  for name in frontend customer driver route; do flags+=("--$name-service-hostname" 127.0.0.1); done
  # Without the fixes that it comes with, its requests would wait for one another.
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$otlp launch hotrod "$bin/hotrod" all "${flags[@]}" -D 100ms -M -W 100
  launched hotrod 60 "http://127.0.0.1:$frontend/"
  say "loading $HOTROD_REQUESTS traces of HotROD ..."
  # Some of its requests fail, as is its way.
  seq "$HOTROD_REQUESTS" | xargs -P 4 -I N curl --silent --output /dev/null --max-time 60 \
    "http://127.0.0.1:$frontend/dispatch?customer=123&nonse=N"
}

# Traces that all begin at once, as OTLP.
burst() {
  awk -v traces="$BURST_TRACES" -v second="$(ago 10800)" 'BEGIN {
    printf "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
    printf "\"value\":{\"stringValue\":\"burst\"}}]},\"scopeSpans\":[{\"spans\":["
    for (i = 1; i <= traces; i++)
      printf "%s{\"traceId\":\"b0b0%028x\",\"spanId\":\"b0b0%012x\",\"name\":\"tick\",\"kind\":2," \
        "\"startTimeUnixNano\":\"%d123456000\",\"endTimeUnixNano\":\"%d%09d\"}", \
        (i > 1 ? "," : ""), i, i, second, second, 123456000 + i * 1000
    print "]}]}]}"
  }'
}

load_by_hand() {
  say "loading hand-written traces ..."
  burst | post "http://127.0.0.1:$otlp/v1/traces"
  local file
  for file in "$here"/data/*.otlp.json; do
    with_times "$file" | post "http://127.0.0.1:$otlp/v1/traces"
  done
  for file in "$here"/data/*.zipkin.json; do
    with_times "$file" | post "http://127.0.0.1:$zipkin_receiver/api/v2/spans"
  done
}

# `@2h@` in a file is the second that was two hours ago; m and d are minutes and days.
with_times() {
  local text age
  text=$(cat "$1")
  for age in $(grep -oE '@[0-9]+[mhd]@' "$1" | sort -u); do
    local number=${age//[!0-9]/} unit=60
    [[ $age == *h@ ]] && unit=3600
    [[ $age == *d@ ]] && unit=86400
    text=${text//"$age"/$(ago $((number * unit)))}
  done
  printf '%s\n' "$text"
}

# wait until every server that they pass through holds all: URLs of Jaegers with the legacy search.
loaded_jaeger() {
  local url spans=0 before=-1
  for url in "$@"; do
    wait_for 60 holds "$TRACEGEN_TRACES" jaeger_traces "$url" tg-00 || die "$url lacks traces of tg-00"
    wait_for 60 holds "$TRACEGEN_TRACES" jaeger_traces "$url" tg-01 || die "$url lacks traces of tg-01"
    wait_for 60 holds "$BURST_TRACES" jaeger_traces "$url" burst || die "$url lacks traces of burst"
  done
  # HotROD sends its last spans some time after its last answer.
  until ((spans == before && spans > HOTROD_REQUESTS)); do
    sleep 3
    before=$spans
    spans=$(jaeger_spans "$1" frontend)
  done
  for url in "$@"; do
    wait_for 60 holds "$spans" jaeger_spans "$url" frontend || die "$url lacks spans of HotROD"
  done
  say "the Jaegers hold $((2 * TRACEGEN_TRACES)) traces of tracegen, $spans spans of HotROD"
}

# Requests of a web service to a cart that reads a database, two of three spans with one id, as Zipkin has it.
zipkin_posts() { # FIRST LAST
  awk -v first="$1" -v last="$2" -v traces="$ZIPKIN_TRACES" -v second="$(ago 1800)" 'BEGIN {
    printf "["
    for (i = first; i <= last; i++) {
      # A trace every 400 ms of the half hour.
      begun = second * 1000000 + i * 400000 + i % 7
      took = 20000 + (i * 7919) % 90000
      ids = sprintf("\"traceId\":\"c0de%012x\"", i)
      error = i % 20 == 0 ? ",\"error\":\"cart is locked\"" : ""
      printf "%s{%s,\"id\":\"a%015x\",\"kind\":\"CLIENT\",\"name\":\"post /cart\",\"timestamp\":%.0f,\"duration\":%d," \
        "\"localEndpoint\":{\"serviceName\":\"web\"},\"tags\":{\"http.method\":\"POST\"%s}}", \
        (i > first ? "," : ""), ids, i, begun, took, error
      printf ",{%s,\"id\":\"a%015x\",\"kind\":\"SERVER\",\"shared\":true,\"name\":\"post /cart\",\"timestamp\":%.0f," \
        "\"duration\":%d,\"localEndpoint\":{\"serviceName\":\"cart\"},\"tags\":{\"http.path\":\"/cart\"%s}}", \
        ids, i, begun + 1000, took - 3000, error
      printf ",{%s,\"parentId\":\"a%015x\",\"id\":\"d%015x\",\"kind\":\"CLIENT\",\"name\":\"select\"," \
        "\"timestamp\":%.0f,\"duration\":%d,\"localEndpoint\":{\"serviceName\":\"cart\"}," \
        "\"remoteEndpoint\":{\"serviceName\":\"mysql\"}}", ids, i, i, begun + 2000, took / 2
    }
    print "]"
  }'
}

load_zipkin() {
  say "loading $ZIPKIN_TRACES traces into Zipkin ..."
  local url=http://127.0.0.1:$zipkin first
  for ((first = 1; first <= ZIPKIN_TRACES; first += 1000)); do
    zipkin_posts "$first" $((first + 999)) | post "$url/api/v2/spans"
  done
  wait_for 60 holds "$ZIPKIN_TRACES" zipkin_traces "$url" web || die "Zipkin lacks traces"
}
