"""Plain Python: json.load, then loops over dictionaries. Answers as README.md has them."""

import json
import sys
from collections import defaultdict

with open(sys.argv[1], encoding="utf-8") as file:
    traces = json.load(file)["data"]

durations = defaultdict(list)
calls = defaultdict(int)
for trace in traces:
    services = {key: process["serviceName"] for key, process in trace["processes"].items()}
    by_id = {span["spanID"]: span for span in trace["spans"]}
    for span in trace["spans"]:
        service = services[span["processID"]]
        durations[service, span["operationName"]].append(span["duration"])
        for reference in span["references"]:
            if reference["refType"] == "CHILD_OF":
                parent = by_id.get(reference["spanID"])
                if parent and services[parent["processID"]] != service:
                    calls[services[parent["processID"]], service] += 1
                break

for (service, operation), values in durations.items():
    values.sort()
    at = [values[-(-len(values) * percent // 100) - 1] for percent in (50, 95, 99)]
    print("operation", service, operation, len(values), *at, sep="\t")
for (caller, callee), n in calls.items():
    print("calls", caller, callee, n, sep="\t")
