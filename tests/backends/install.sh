# Builds or fetches the servers and their loads, once: what is in $bin stays.

# A step's output goes to a file that is shown if it fails.
build() { # build WHAT COMMAND...
  local what=$1 log=$home/install.log begun=$SECONDS
  shift
  say "installing $what ..."
  if "$@" >"$log" 2>&1; then
    say "installed $what in $((SECONDS - begun)) s"
  else
    say "SKIPPED $what, it can't be installed here:"
    tail -n 5 "$log" | sed 's/^/    /' >&2
  fi
}

# Built elsewhere and moved, so that what is in $bin is whole.
go_programs() (
  local work=$home/build module
  rm -rf "$work" && cp -r "$here/go" "$work" && cd "$work" || return 1
  module=$(go mod download -json "github.com/jaegertracing/jaeger@v$JAEGER_V1.0" | tee /dev/stderr | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  # The public checksum database lacks some of its dependencies, its own go.sum has them all; ours vouches for that.
  [[ -n $module ]] && cat "$module/go.sum" >>go.sum || return 1
  local jaeger=github.com/jaegertracing/jaeger
  CGO_ENABLED=0 nice go build -mod=mod -trimpath -ldflags "-s -w" -o "$work/out/" \
    $jaeger/cmd/jaeger $jaeger/cmd/all-in-one $jaeger/examples/hotrod $jaeger/cmd/tracegen ./legacy_gone || return 1
  mv out/jaeger "$bin/jaeger-$JAEGER_V2" && mv out/all-in-one "$bin/jaeger-$JAEGER_V1" || return 1
  mv out/hotrod out/tracegen "$bin/" && mv out/legacy_gone "$bin/legacy_gone" || return 1
  cd "$home" && rm -rf "$work"
)

old_jaeger() {
  local work=$home/build-old
  GOBIN=$work CGO_ENABLED=0 nice go install -trimpath -ldflags "-s -w" \
    "github.com/jaegertracing/jaeger/cmd/all-in-one@v$JAEGER_OLD.0" || return 1
  mv "$work/all-in-one" "$bin/jaeger-$JAEGER_OLD" && rm -rf "$work"
}

zipkin_jar() {
  local work=$home/build-zipkin
  mvn --batch-mode --quiet dependency:copy "-Dartifact=io.zipkin:zipkin-server:$ZIPKIN:jar:exec" \
    "-DoutputDirectory=$work" || return 1
  mv "$work/zipkin-server-$ZIPKIN-exec.jar" "$bin/zipkin-$ZIPKIN.jar" && rm -rf "$work"
}

installed() {
  local program
  for program in "$@"; do [[ -e $bin/$program ]] || return 1; done
}

install_all() {
  mkdir -p "$bin"
  local jaeger=("jaeger-$JAEGER_V2" "jaeger-$JAEGER_V1" hotrod tracegen legacy_gone)
  if ! have go; then
    say "SKIPPED every Jaeger: there is no Go toolchain on this machine"
  else
    # The proxy is ours, and may be newer than its program.
    [[ $here/go/legacy_gone/main.go -nt $bin/legacy_gone ]] && rm -f "$bin/legacy_gone"
    installed "${jaeger[@]}" || build "Jaeger $JAEGER_V2 and $JAEGER_V1, HotROD and tracegen" go_programs
    installed "jaeger-$JAEGER_OLD" || build "Jaeger $JAEGER_OLD" old_jaeger
  fi
  if ! have mvn || ! have java; then
    say "SKIPPED Zipkin: it needs Java and Maven"
  else
    installed "zipkin-$ZIPKIN.jar" || build "Zipkin $ZIPKIN" zipkin_jar
  fi
}
