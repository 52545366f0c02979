"""Compares answers: a peer that computes something else is no peer.

    check.py REPORT.json ANSWERS...

Answers are those of a peer, as README.md has them, or another report. Prints differences; 1 if there are any.
"""

import json
import sys


def of_report(report):
    """A report of the program in the form of the peers' answers."""
    operations, paths = {}, {}
    for row in report["performance"]["operations"]:
        # Rows are by kind as well; percentiles of several together are unknown.
        key = row["service"], row["operation"]
        percentiles = [row[name] * 1000 for name in ("median_ms", "p95_ms", "p99_ms")]
        n, _ = operations.get(key, (0, None))
        operations[key] = n + row["count"], None if n else percentiles
    for row in report["critical_path_summary"]["operations"]:
        paths[row["service"], row["operation"]] = row["self_ms"] * 1000
    rows = report["performance"]["operations"]
    sums = [
        report["summary"]["span_count"], sum(it["errors"] for it in rows),
        round(sum(it["total_ms"] for it in rows) * 1000),
    ]
    called_by = report["dependencies"]["dependencies"]
    calls = {(caller, callee): n for caller, called in called_by.items() for callee, n in called.items()}
    return {"operations": operations, "calls": calls, "paths": paths, "sums": sums}


def of_lines(text):
    answers = {"operations": {}, "calls": {}, "paths": {}}
    for line in text.splitlines():
        what, *fields = line.split("\t")
        if what == "operation":
            service, operation, n, *percentiles = fields
            answers["operations"][service, operation] = int(n), [float(it) for it in percentiles]
        elif what == "calls":
            answers["calls"][fields[0], fields[1]] = int(fields[2])
        elif what == "path":
            answers["paths"][fields[0], fields[1]] = float(fields[2])
        elif what == "extracted":
            answers["extracted"] = fields
            answers["sums"] = [int(it) for it in fields[:3]]
    return answers


def of_file(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return of_report(json.loads(text)) if path.endswith(".json") else of_lines(text)


def close(one, other):
    """Histograms of the program are right within 0.1 %."""
    return abs(one - other) <= 0.001 * max(one, other) + 1e-6


def alike(one, other):
    (n, percentiles), (other_n, other_percentiles) = one, other
    is_known = percentiles is not None and other_percentiles is not None
    return n == other_n and (not is_known or all(map(close, percentiles, other_percentiles)))


def differences(ours, theirs):
    if not any(theirs.values()):
        yield "nothing was answered"
    for what in ("operations", "calls"):
        for key in sorted(ours[what].keys() | theirs[what].keys()) if theirs[what] else ():
            one, other = ours[what].get(key), theirs[what].get(key)
            if one != other and not (what == "operations" and one and other and alike(one, other)):
                yield f"{what} of {' '.join(key)}: {one} and {other}"
    # Who waited on whom is a matter of definition; how long in all is not.
    if theirs["paths"] and not close(sum(ours["paths"].values()), sum(theirs["paths"].values())):
        yield f"critical paths: {sum(ours['paths'].values())} and {sum(theirs['paths'].values())} us in all"
    if "sums" in theirs and ours["sums"] != theirs["sums"]:
        yield f"spans, errors, microseconds: {ours['sums']} and {theirs['sums']}"


def main():
    ours = of_file(sys.argv[1])
    found, extracted = [], {}
    for path in sys.argv[2:]:
        theirs = of_file(path)
        found += [f"{path}: {it}" for it in differences(ours, theirs)]
        if "extracted" in theirs:
            extracted[path] = theirs["extracted"]
    if len({tuple(it) for it in extracted.values()}) > 1:
        found += [f"{path} extracted {it}" for path, it in extracted.items()]
    print("\n".join(found[:20]), end="\n" if found else "")
    return 1 if found else 0


sys.exit(main())
