# jq: group_by for the operations, one object of counts for the calls. Answers as README.md has them. Run with -r.
def at($percent): .[((length * $percent / 100) | ceil) - 1];

[.data[]
  | (.processes | map_values(.serviceName)) as $services
  | (reduce .spans[] as $span ({}; .[$span.spanID] = $services[$span.processID])) as $by_id
  | .spans[]
  | $services[.processID] as $service
  | {
      operation: "\($service)\t\(.operationName)",
      duration,
      call: (first(.references[] | select(.refType == "CHILD_OF")) // null
        | if . then $by_id[.spanID] else null end
        | if . and . != $service then "\(.)\t\($service)" else null end)
    }]
| (group_by(.operation)[]
    | .[0].operation as $operation
    | map(.duration) | sort
    | "operation\t\($operation)\t\(length)\t\(at(50))\t\(at(95))\t\(at(99))"),
  (reduce (.[].call | select(.)) as $call ({}; .[$call] += 1)
    | to_entries[] | "calls\t\(.key)\t\(.value)")
