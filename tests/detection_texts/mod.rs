//! Texts by which formats and what is none are told apart: what they begin with decides.

/// Texts and the format each is of.
pub const ACCEPTED: &[(&str, &str)] = &[
    // OTLP and what servers wrap it in.
    (
        "otlp",
        r#"{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a","startTimeUnixNano":"1793527200000000000","endTimeUnixNano":"1793527200001000000"}]}]}]}"#,
    ),
    (
        "otlp",
        r#"{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","name":"a","start_time_unix_nano":"1793527200000000000","end_time_unix_nano":"1793527200001000000"}]}]}]}"#,
    ),
    (
        "otlp",
        r#"{"resource":{},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a","startTimeUnixNano":1793527200000000000,"endTimeUnixNano":1793527200001000000}]}]}"#,
    ),
    (
        "tempo",
        r#"{"batches":[{"resource":{},"instrumentationLibrarySpans":[{"spans":[{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=","name":"a","startTimeUnixNano":"1793527200000000000","endTimeUnixNano":"1793527200001000000"}]}]}]}"#,
    ),
    (
        "tempo",
        r#"{"trace":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a","startTimeUnixNano":"1793527200000000000","endTimeUnixNano":"1793527200001000000"}]}]}]},"status":"COMPLETE"}"#,
    ),
    (
        "jaeger-v3",
        r#"{"result":{"resourceSpans":[{"resource":{},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a","startTimeUnixNano":"1793527200000000000","endTimeUnixNano":"1793527200001000000"}]}]}]}}"#,
    ),
    (
        "otlp",
        r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"a","startTimeUnixNano":"1793527200000000000","endTimeUnixNano":"1793527200001000000"}"#,
    ),
    // A line of another signal before it.
    (
        "otlp",
        "{\"resourceMetrics\":[{\"scopeMetrics\":[]}]}\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\",\"name\":\"a\",\"startTimeUnixNano\":\"1793527200000000000\",\"endTimeUnixNano\":\"1793527200001000000\"}]}]}]}",
    ),
    // Jaeger.
    (
        "jaeger",
        r#"{"traceID":"1","spans":[{"traceID":"1","spanID":"2","operationName":"a","startTime":1793527200000000,"duration":5,"processID":"p"}],"processes":{"p":{"serviceName":"s"}}}"#,
    ),
    (
        "jaeger",
        r#"{"data":[{"traceID":"1","spans":[{"traceID":"1","spanID":"2","operationName":"a","startTime":1793527200000000,"duration":5,"processID":"p"}],"processes":{"p":{"serviceName":"s"}}}]}"#,
    ),
    (
        "jaeger",
        r#"{"data":{"traceID":"1","spans":[{"traceID":"1","spanID":"2","operationName":"a","startTime":1793527200000000,"duration":5,"processID":"p"}],"processes":{"p":{"serviceName":"s"}}}}"#,
    ),
    (
        "jaeger",
        r#"{"processes":{"p":{"serviceName":"s"}},"spans":[{"processID":"p","duration":5,"startTime":1793527200000000,"operationName":"a","spanID":"2","traceID":"1"}],"traceID":"1"}"#,
    ),
    // Zipkin.
    (
        "zipkin",
        r#"[{"traceId":"5af7183fb1d4cf5f","id":"6b221d5bc9e6496c","name":"a","timestamp":1793527200000000,"duration":5,"localEndpoint":{"serviceName":"s"}}]"#,
    ),
    (
        "zipkin",
        r#"[[],[{"traceId":"5af7183fb1d4cf5f","id":"6b221d5bc9e6496c","name":"a","timestamp":1793527200000000,"duration":5,"localEndpoint":{"serviceName":"s"}}]]"#,
    ),
    (
        "zipkin-v1",
        r#"[{"traceId":"5af7183fb1d4cf5f","id":"6b221d5bc9e6496c","name":"a","binaryAnnotations":[],"annotations":[{"timestamp":1793527200000000,"value":"sr","endpoint":{"serviceName":"s"}},{"timestamp":1793527200000005,"value":"ss","endpoint":{"serviceName":"s"}}]}]"#,
    ),
    // The script's own.
    (
        "py",
        r#"{"trace_id":"t1","spans":[{"span_id":"1","trace_id":"t1","service_name":"s","operation_name":"a","start_time":"2026-11-01T10:00:00Z","end_time":"2026-11-01T10:00:01Z","duration_ms":1000}]}"#,
    ),
    (
        "py",
        r#"{"traces":[{"trace_id":"t1","spans":[{"span_id":"1","trace_id":"t1","service_name":"s","operation_name":"a","start_time":"2026-11-01T10:00:00Z","end_time":"2026-11-01T10:00:01Z","duration_ms":1000}]}]}"#,
    ),
    // Datadog.
    (
        "datadog",
        r#"[[{"trace_id":1,"span_id":2,"parent_id":0,"service":"s","name":"web.request","resource":"GET /","start":1793527200000000000,"duration":5000,"error":0}]]"#,
    ),
    (
        "datadog",
        r#"[[],[{"trace_id":1,"span_id":2,"parent_id":0,"service":"s","name":"web.request","resource":"GET /","start":1793527200000000000,"duration":5000,"error":0}]]"#,
    ),
    (
        "datadog",
        r#"{"data":[{"type":"spans","id":"x","attributes":{"trace_id":"1","span_id":"2","parent_id":"0","service":"s","resource_name":"GET /","start_timestamp":"2026-11-01T10:00:00Z","end_timestamp":"2026-11-01T10:00:01Z"}}]}"#,
    ),
    (
        "datadog",
        r#"{"trace":{"root_id":"2","spans":{"2":{"trace_id":"1","span_id":"2","parent_id":"0","service":"s","name":"web.request","resource":"GET /","start":1793527200.5,"duration":0.5,"error":0}}},"orphaned":[]}"#,
    ),
    // AWS.
    (
        "xray",
        r#"{"Traces":[{"Id":"1-69060f60-5b8efff798038103d269b633","Duration":1,"Segments":[{"Id":"eee19b7ec3c1b174","Document":"{\"id\":\"eee19b7ec3c1b174\",\"name\":\"s\",\"trace_id\":\"1-69060f60-5b8efff798038103d269b633\",\"start_time\":1793527200.1,\"end_time\":1793527200.2}"}]}],"UnprocessedTraceIds":[]}"#,
    ),
    (
        "xray",
        r#"{"Id":"1-69060f60-5b8efff798038103d269b633","Duration":1,"Segments":[{"Id":"eee19b7ec3c1b174","Document":"{\"id\":\"eee19b7ec3c1b174\",\"name\":\"s\",\"trace_id\":\"1-69060f60-5b8efff798038103d269b633\",\"start_time\":1793527200.1,\"end_time\":1793527200.2}"}]}"#,
    ),
    (
        "xray",
        r#"{"id":"eee19b7ec3c1b174","name":"s","trace_id":"1-69060f60-5b8efff798038103d269b633","start_time":1793527200.1,"end_time":1793527200.2}"#,
    ),
    // Google.
    (
        "gcp",
        r#"{"traces":[{"projectId":"p","traceId":"5b8efff798038103d269b633813fc60c","spans":[{"spanId":"2","kind":"RPC_SERVER","name":"a","startTime":"2026-11-01T10:00:00Z","endTime":"2026-11-01T10:00:01Z","labels":{}}]}]}"#,
    ),
    (
        "gcp",
        r#"{"spans":[{"name":"projects/p/traces/5b8efff798038103d269b633813fc60c/spans/eee19b7ec3c1b174","spanId":"eee19b7ec3c1b174","displayName":{"value":"a"},"startTime":"2026-11-01T10:00:00Z","endTime":"2026-11-01T10:00:01Z"}]}"#,
    ),
    // New Relic.
    (
        "newrelic",
        r#"[{"common":{"attributes":{"service.name":"s"}},"spans":[{"id":"2","trace.id":"1","timestamp":1793527200000,"attributes":{"name":"a","duration.ms":5}}]}]"#,
    ),
    (
        "newrelic",
        r#"[{"trace.id":"1","id":"2","timestamp":1793527200000,"duration.ms":5,"name":"a","service.name":"s"}]"#,
    ),
    // Elastic and its kin.
    (
        "elastic-apm",
        r#"{"processor":{"event":"transaction"},"trace":{"id":"1"},"transaction":{"id":"2","name":"a","duration":{"us":5}},"timestamp":{"us":1793527200000000},"service":{"name":"s"}}"#,
    ),
    (
        "elastic-apm",
        "{\"metadata\":{\"service\":{\"name\":\"s\"}}}\n{\"transaction\":{\"id\":\"eee19b7ec3c1b174\",\"trace_id\":\"5b8efff798038103d269b633813fc60c\",\"name\":\"a\",\"type\":\"request\",\"timestamp\":1793527200000000,\"duration\":5}}",
    ),
    // Azure.
    (
        "azure",
        r#"{"tables":[{"name":"PrimaryResult","columns":[{"name":"timestamp","type":"datetime"},{"name":"id","type":"string"},{"name":"operation_Id","type":"string"},{"name":"operation_ParentId","type":"string"},{"name":"name","type":"string"},{"name":"duration","type":"real"},{"name":"success","type":"string"},{"name":"cloud_RoleName","type":"string"},{"name":"itemType","type":"string"}],"rows":[["2026-11-01T10:00:00Z","2","1","","a",5,"True","s","request"]]}]}"#,
    ),
    (
        "azure",
        r#"[{"TimeGenerated":"2026-11-01T10:00:00Z","OperationId":"1","Id":"2","ParentId":"","Name":"a","DurationMs":5,"Success":true,"AppRoleName":"s","Type":"AppRequests"}]"#,
    ),
    (
        "opensearch",
        r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"","name":"a","kind":"SPAN_KIND_SERVER","startTime":"2026-11-01T10:00:00Z","endTime":"2026-11-01T10:00:01Z","durationInNanos":1000000000,"serviceName":"s"}"#,
    ),
    (
        "clickhouse",
        r#"{"Timestamp":"2026-11-01 10:00:00.000000000","TraceId":"5b8efff798038103d269b633813fc60c","SpanId":"eee19b7ec3c1b174","ParentSpanId":"","SpanName":"a","ServiceName":"s","Duration":5}"#,
    ),
    (
        "clickhouse",
        r#"{"meta":[{"name":"TraceId","type":"String"}],"data":[{"Timestamp":"2026-11-01 10:00:00.000000000","TraceId":"5b8efff798038103d269b633813fc60c","SpanId":"eee19b7ec3c1b174","SpanName":"a","ServiceName":"s","Duration":5}],"rows":1}"#,
    ),
    (
        "newrelic",
        r#"{"data":{"actor":{"nrql":{"results":[{"trace.id":"1","id":"2","timestamp":1793527200000,"duration.ms":5,"name":"a"}]}}}}"#,
    ),
    (
        "elastic-otel",
        r#"{"@timestamp":"1793527200000.5","trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","name":"a","duration":5,"resource":{"attributes":{"service.name":"s"}}}"#,
    ),
    (
        "otel-console",
        r#"{"name":"a","context":{"trace_id":"0x5b8efff798038103d269b633813fc60c","span_id":"0xeee19b7ec3c1b174","trace_state":"[]"},"kind":"SpanKind.SERVER","parent_id":null,"start_time":"2026-11-01T10:00:00.000000Z","end_time":"2026-11-01T10:00:01.000000Z"}"#,
    ),
    (
        "otel-console",
        r#"{"Name":"a","SpanContext":{"TraceID":"5b8efff798038103d269b633813fc60c","SpanID":"eee19b7ec3c1b174"},"Parent":{"TraceID":"00000000000000000000000000000000","SpanID":"0000000000000000"},"SpanKind":2,"StartTime":"2026-11-01T10:00:00Z","EndTime":"2026-11-01T10:00:01Z"}"#,
    ),
    (
        "jaeger-proto",
        r#"{"spans":[{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=","operationName":"a","startTime":"2026-11-01T10:00:00Z","duration":"0.000005s","process":{"serviceName":"s"}}]}"#,
    ),
    (
        "jaeger-es",
        r#"{"traceID":"1","spanID":"2","operationName":"a","startTime":1793527200000000,"startTimeMillis":1793527200000,"duration":5,"process":{"serviceName":"s"}}"#,
    ),
    (
        "jaeger-es",
        r#"{"_index":"jaeger-span-2026-11-01","_source":{"traceID":"1","spanID":"2","operationName":"a","startTime":1793527200000000,"duration":5,"process":{"serviceName":"s"}}}"#,
    ),
    // Ours.
    (
        "spans",
        r#"{"trace_id":"1","span_id":"2","parent_span_id":null,"service":"s","operation":"a","kind":"server","start_us":1793527200000000,"start_ns":"1793527200000000000","duration_us":5,"duration_ns":5000,"shared":false,"error":false,"error_message":null,"error_type":null,"code":null,"peer":null,"statement":null,"links":[],"attributes":{},"resource":{}}"#,
    ),
];

/// Texts that hold no spans: what the error says they are, and what its hint says to do.
pub const REFUSED: &[(&str, &str, &str)] = &[
    ("<!DOCTYPE html><html>", "it is a web page (HTML), not JSON", "base path"),
    ("  \n<html><body>Sign in</body>", "it is a web page (HTML), not JSON", "login"),
    ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "it is XML, not JSON", "storage service"),
    ("PK\u{3}\u{4}\u{14}\0\0\0", "it is a zip archive", "unzip -p FILE | analyze-traces -"),
    ("BZh91AY&SY", "it is compressed with bzip2", "bzip2 -dc FILE"),
    ("\n\u{2a}\n\u{28}\n\u{c}service.name\u{12}", "it is binary protobuf (OTLP or Zipkin), not JSON", "format: json"),
    (
        "2026-11-01T10:00:00Z info ResourceSpans #0\nResource SchemaURL:",
        "the Collector's debug exporter",
        "format: json",
    ),
    (
        "{\n  resource: {\n    attributes: {\n      'service.name': 's'\n    }\n  },\n  traceId: '5b8e',",
        "what a JavaScript console prints",
        "OTLPTraceExporter",
    ),
    ("[\n  {\n    traceId: 'a'", "what a JavaScript console prints", "OTLPTraceExporter"),
    (
        r#"{"schema_version":1,"tool":{"name":"analyze-traces"},"input":{}}"#,
        "it is a report of analyze-traces, not a capture",
        "name the capture",
    ),
    (r#"["frontend","cart"]"#, "it is a list of names, not of traces", "/api/traces?service="),
    (r"[1,2]", "it is a list of names, not of traces", "/api/v2/traces?serviceName="),
    (
        r#"{"data":["frontend"],"total":1,"limit":0,"offset":0,"errors":null}"#,
        "it is a list of names, not of traces",
        "/api/traces?service=",
    ),
    (r#"{"services":["frontend"]}"#, "it is a list of services, not of traces", "/api/traces?service="),
    (
        r#"{"operations":[{"name":"GET /","spanKind":"server"}]}"#,
        "it is a list of operations, not of traces",
        "/api/traces?service=",
    ),
    (
        r#"{"data":[{"name":"GET /","spanKind":"server"}],"total":1}"#,
        "it is a list of operations, not of traces",
        "/api/traces?service=",
    ),
    (
        r#"{"data":[{"parent":"a","child":"b","callCount":1}]}"#,
        "it is a list of service dependencies, not of traces",
        "/api/traces?service=",
    ),
    (
        r#"[{"parent":"a","child":"b","callCount":1,"errorCount":1}]"#,
        "it is a list of service dependencies, not of traces",
        "/api/v2/traces?serviceName=",
    ),
    (
        r#"{"dependencies":[{"callCount":"1","child":"b","parent":"a"}]}"#,
        "it is a list of service dependencies, not of traces",
        "fetch traces",
    ),
    (r#"{"tagNames":["service.name"]}"#, "it is a list of Tempo's tags", "/api/traces/ID"),
    (
        r#"{"traces":[{"traceID":"1","rootServiceName":"s","rootTraceName":"a","durationMs":5}],"metrics":{}}"#,
        "it is the result of a Tempo search, which holds no spans",
        "/api/traces/TRACE_ID",
    ),
    (
        r#"{"traces":[{"traceID":"1","spanSets":[{"spans":[{"spanID":"2"}],"matched":1}]}]}"#,
        "it is the result of a Tempo search, which holds no spans",
        "/api/traces/TRACE_ID",
    ),
    (
        r#"{"traces":[],"metrics":{"inspectedBytes":"100"}}"#,
        "it is the result of a Tempo search, which holds no spans",
        "/api/traces/TRACE_ID",
    ),
    (
        r#"{"TraceSummaries":[{"Id":"1-69060f60-5b8efff798038103d269b633","Duration":1}],"TracesProcessedCount":1}"#,
        "it is a list of X-Ray trace summaries, which hold no spans",
        "aws xray batch-get-traces",
    ),
    (
        r#"{"Services":[{"ReferenceId":0,"Name":"s","Edges":[]}],"StartTime":1793527200}"#,
        "it is an X-Ray service graph, which holds no spans",
        "aws xray batch-get-traces",
    ),
    (
        r#"{"summaries":[{"traceId":"1"}]}"#,
        "it is a list of trace summaries, which hold no spans",
        "/api/v3/traces/TRACE_ID",
    ),
    (
        r#"{"result":{"summaries":[]}}"#,
        "it is a list of trace summaries, which hold no spans",
        "/api/v3/traces/TRACE_ID",
    ),
    (
        r#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[]}]}"#,
        "it is OpenTelemetry metrics, not traces",
        "traces pipeline",
    ),
    ("{\"resource_logs\":[]}\n{\"resourceMetrics\":[]}", "it is OpenTelemetry logs, not traces", "traces pipeline"),
    (r#"{"resourceLogs":[{"resource":{},"scopeLogs":[]}]}"#, "it is OpenTelemetry logs, not traces", "traces pipeline"),
    (
        r#"{"traceEvents":[{"name":"a","ph":"X","ts":1,"dur":2,"pid":1,"tid":1}],"displayTimeUnit":"ms"}"#,
        "a profile in Chrome's trace format",
        "tracing backend",
    ),
    (
        r#"[{"name":"a","cat":"c","ph":"X","ts":1,"dur":2,"pid":1,"tid":1}]"#,
        "a profile in Chrome's trace format",
        "tracing backend",
    ),
    (
        r#"{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{"frames":[]},"profiles":[]}"#,
        "a speedscope profile",
        "tracing backend",
    ),
    (
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
        "an answer of Prometheus or Loki",
        "/api/traces/TRACE_ID",
    ),
    // What backends say when they refuse, in their own words.
    (
        r#"{"error":{"httpCode":404,"message":"No traces found"}}"#,
        "a server's error: No traces found (code 404)",
        "fetch it again",
    ),
    (
        r#"{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}"#,
        "a server's error: trace not found (code 404)",
        "fetch it again",
    ),
    (
        r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#,
        "a server's error: Permission denied (code 403)",
        "fetch it again",
    ),
    (r#"{"errors":["Forbidden"]}"#, "a server's error: Forbidden", "fetch it again"),
    (r#"{"message":"Not found","traceID":""}"#, "a server's error: Not found", "fetch it again"),
    (
        r#"{"error":{"root_cause":[],"type":"security_exception","reason":"missing authentication"},"status":401}"#,
        "a server's error: missing authentication",
        "fetch it again",
    ),
    (
        r#"{"timestamp":"2026-11-01","path":"/api","status":503,"message":"try later"}"#,
        "a server's error: try later (code 503)",
        "fetch it again",
    ),
    (
        r#"{"__type":"ExpiredTokenException","Message":"The security token is expired"}"#,
        "a server's error: The security token is expired",
        "fetch it again",
    ),
    // And what is nothing known.
    ("", "it is empty", "save traces with"),
    ("hello", "expected `{` or `[` at byte 0 (line 1)", "save traces with"),
    (r#"{"hello":"world"}"#, "its keys are of no format known here (tried: ", "--list-formats"),
    (r#"[[1,2],[3]]"#, "its keys are of no format known here", "--list-formats"),
];
