// A Jaeger 2.13 seen as the releases are that no longer have the legacy search: the routes that were removed answer
// what an unknown route answers, and the search of API v3 takes its parameters under their present names only.
//
//	legacy_gone LISTEN_ADDRESS UPSTREAM_URL
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

// What the server behind calls the parameters that have other names now.
var oldNames = map[string]string{
	"query.serviceName":   "query.service_name",
	"query.operationName": "query.operation_name",
	"query.startTimeMin":  "query.start_time_min",
	"query.startTimeMax":  "query.start_time_max",
	"query.durationMin":   "query.duration_min",
	"query.durationMax":   "query.duration_max",
	"query.searchDepth":   "query.num_traces",
	"query.rawTraces":     "query.raw_traces",
	"spanKind":            "span_kind",
	"startTime":           "start_time",
	"endTime":             "end_time",
	"rawTraces":           "raw_traces",
	"service":             "service",
}

func removed(path string) bool {
	return path == "/api/traces" || path == "/api/operations" || path == "/api/services" ||
		strings.HasPrefix(path, "/api/services/")
}

func known(path string) bool {
	for _, kept := range []string{"/api/traces/", "/api/v3/", "/api/dependencies"} {
		if strings.HasPrefix(path, kept) {
			return true
		}
	}
	return !strings.HasPrefix(path, "/api/")
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: legacy_gone LISTEN_ADDRESS UPSTREAM_URL")
	}
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	handler := func(answer http.ResponseWriter, request *http.Request) {
		log.Print(request.Method, " ", request.URL)
		path := request.URL.Path
		if removed(path) || !known(path) {
			http.NotFound(answer, request)
			return
		}
		if strings.HasPrefix(path, "/api/v3/") {
			translated := url.Values{}
			for name, values := range request.URL.Query() {
				if old, ok := oldNames[name]; ok {
					translated[old] = values
				}
			}
			request.URL.RawQuery = translated.Encode()
		}
		proxy.ServeHTTP(answer, request)
	}
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(handler)))
}
