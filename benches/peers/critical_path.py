"""The critical path in plain Python, after Uber's CRISP in its light form: who was waited on, for how long.

From the end of the root backwards: the child that ended last, then the child that had ended when that one
started, and so on; what no child covers is the span's own. Calls that nobody waits for (a consumer below its
producer, FOLLOWS_FROM) are left out. Prints microseconds by operation.
"""

import json
import sys
from collections import defaultdict


def kind(span):
    return next((tag["value"] for tag in span["tags"] if tag["key"] == "span.kind"), None)


def walk(root, children, own):
    """Adds the microseconds of each span's own sections on the path."""
    open_spans = [(root, root["startTime"], root["startTime"] + root["duration"])]
    while open_spans:
        span, start, end = open_spans.pop()
        at = end
        for child_start, child_end, child in sorted(children[span["spanID"]], key=lambda it: it[1], reverse=True):
            child_start, child_end = max(child_start, start), min(child_end, end)
            if child_end <= at and child_start < child_end:
                own[span["spanID"]] += at - child_end
                open_spans.append((child, child_start, child_end))
                at = child_start
        own[span["spanID"]] += at - start


with open(sys.argv[1], encoding="utf-8") as file:
    traces = json.load(file)["data"]

path = defaultdict(int)
for trace in traces:
    by_id = {span["spanID"]: span for span in trace["spans"]}
    children, roots = defaultdict(list), []
    for span in trace["spans"]:
        parent = next((it["spanID"] for it in span["references"] if it["refType"] == "CHILD_OF"), None)
        if parent not in by_id:
            roots.append(span)
        elif not (kind(span) == "consumer" and kind(by_id[parent]) == "producer"):
            children[parent].append((span["startTime"], span["startTime"] + span["duration"], span))
    own = defaultdict(int)
    walk(max(roots, key=lambda it: it["duration"]), children, own)
    for span_id, us in own.items():
        span = by_id[span_id]
        path[trace["processes"][span["processID"]]["serviceName"], span["operationName"]] += us

for (service, operation), us in path.items():
    print("path", service, operation, us, sep="\t")
