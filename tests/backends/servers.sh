# Starts the servers on free loopback ports, and stops what was started.

# No server outlives this, whatever becomes of the script that started it.
lifetime=${BACKENDS_LIFETIME:-40m}

given=" "

# free_port VARIABLE: a port nobody listens on, below those that the system hands out to clients.
free_port() {
  local candidate
  while :; do
    candidate=$((20000 + RANDOM % 10000))
    if [[ $given != *" $candidate "* ]] && ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
      break
    fi
  done
  given+="$candidate "
  printf -v "$1" %s "$candidate"
}

# When a process began, by which it is told from a later one of the same number.
begun_at() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -r -a stat <<<"${stat##*) }"
  printf %s "${stat[19]}"
}

# launch NAME COMMAND...: in a process group of its own, its output in a log.
launch() {
  local name=$1 process
  shift
  timeout --kill-after=10 "$lifetime" "$@" >"$run/$name.log" 2>&1 </dev/null &
  process=$!
  printf '%s %s %s\n' "$process" "$(begun_at $process)" "$name" >>"$run/processes"
}

# launched NAME SECONDS URL: waits until it answers.
launched() {
  if ! wait_for "$2" get "$3"; then
    tail -n 20 "$run/$1.log" >&2
    die "$1 did not answer at $3 within $2 s"
  fi
  say "$1 answers at $3"
}

# Asks a process that was launched to end; the group it is in with the `timeout` that watches it, if it does not.
end() { # PROCESS BEGUN_AT
  [[ $(begun_at "$1") == "$2" ]] || return 0
  kill -TERM "$1" 2>/dev/null || return 0
  wait_for 15 gone "$1" || kill -KILL -- "-$1" 2>/dev/null || true
}

stop_all() {
  [[ -e $run/processes ]] || return 0
  local process begun name ends=()
  while read -r process begun name; do
    end "$process" "$begun" &
    ends+=($!)
  done <"$run/processes"
  wait ${ends[@]+"${ends[@]}"}
  rm -f "$run/processes" "$addresses"
  say "stopped the servers"
}

stop_hotrod() {
  local process begun name
  while read -r process begun name; do
    [[ $name != hotrod ]] || end "$process" "$begun"
  done <"$run/processes"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# Jaeger v2: everything it takes in it also passes on to the v1 servers, so that all hold the same traces.
start_jaeger_v2() {
  local name=jaeger-$JAEGER_V2 forward="" exporters="jaeger_storage_exporter" server port
  free_port query && free_port otlp && free_port zipkin_receiver
  for server in "jaeger-$JAEGER_V1:${otlp_v1:-}" "jaeger-$JAEGER_OLD:${otlp_old:-}"; do
    port=${server##*:} server=${server%:*}
    [[ -n $port ]] || continue
    exporters+=", otlphttp/$server"
    forward+="  otlphttp/$server: {endpoint: \"http://127.0.0.1:$port\", compression: none}"$'\n'
  done
  cat >"$run/$name.yaml" <<YAML
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp, zipkin]
      processors: [batch]
      exporters: [$exporters]
  telemetry:
    metrics: {level: none}
extensions:
  jaeger_query:
    storage: {traces: memory}
    enable_tracing: false
    http: {endpoint: "127.0.0.1:$query"}
    grpc: {endpoint: "127.0.0.1:0"}
  jaeger_storage:
    backends:
      memory: {memory: {max_traces: 100000}}
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:$otlp", max_request_body_size: 100000000}}}
  zipkin: {endpoint: "127.0.0.1:$zipkin_receiver"}
processors:
  batch: {timeout: 100ms}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
$forward
YAML
  launch "$name" "$bin/$name" --config "$run/$name.yaml"
  launched "$name" 60 "http://127.0.0.1:$query/api/services"
}

# start_jaeger_v1 VERSION BASE_PATH VARIABLE: which holds the port of its OTLP receiver then.
start_jaeger_v1() {
  local name=jaeger-$1 base=$2 port receiver collector grpc flags
  free_port port && free_port receiver && free_port collector && free_port grpc
  flags=(--query.http-server.host-port "127.0.0.1:$port" --query.grpc-server.host-port "127.0.0.1:$grpc"
    --query.base-path "$base" --admin.http.host-port 127.0.0.1:0 --memory.max-traces 100000
    --collector.http-server.host-port 127.0.0.1:0 --collector.grpc-server.host-port "127.0.0.1:$collector"
    --collector.otlp.enabled=true --collector.otlp.http.host-port "127.0.0.1:$receiver"
    --collector.otlp.grpc.host-port 127.0.0.1:0 --collector.queue-size 1000000) # it drops what finds no room
  if [[ $1 == "$JAEGER_OLD" ]]; then
    # It has an agent in it, which listens too.
    flags+=(--http-server.host-port 127.0.0.1:0 --processor.zipkin-compact.server-host-port 127.0.0.1:0
      --processor.jaeger-compact.server-host-port 127.0.0.1:0 --processor.jaeger-binary.server-host-port 127.0.0.1:0)
  fi
  # Without traces of its own.
  OTEL_TRACES_SAMPLER=always_off JAEGER_DISABLED=true SPAN_STORAGE_TYPE=memory launch "$name" "$bin/$name" "${flags[@]}"
  [[ $base != / ]] || base=
  launched "$name" 60 "http://127.0.0.1:$port$base/api/services"
  printf -v "$3" %s "$receiver"
  printf -v "$4" %s "http://127.0.0.1:$port$base"
}

start_legacy_gone() {
  free_port gone_port
  launch jaeger-legacy-gone "$bin/legacy_gone" "127.0.0.1:$gone_port" "http://127.0.0.1:$query"
  launched jaeger-legacy-gone 20 "http://127.0.0.1:$gone_port/api/v3/services"
}

# It takes its time: others are started and loaded meanwhile.
launch_zipkin() {
  free_port zipkin
  launch "zipkin-$ZIPKIN" java -Xmx512m -jar "$bin/zipkin-$ZIPKIN.jar" --server.port="$zipkin" \
    "--armeria.ports[0].ip=127.0.0.1" "--armeria.ports[0].port=$zipkin" "--armeria.ports[0].protocols[0]=http"
}

launched_zipkin() { launched "zipkin-$ZIPKIN" 240 "http://127.0.0.1:$zipkin/health"; }
