"""DuckDB: the columns are told, then SQL. Answers as README.md has them.

    duckdb_peer.py read_json|split FILE

`read_json` is the way of its documentation; `split` reads the document as text, cuts it into traces by a JSON path
and reads these, which is several times as fast.
"""

import os
import sys

import duckdb

SPAN = """STRUCT(
    spanID VARCHAR, operationName VARCHAR, duration BIGINT, processID VARCHAR,
    "references" STRUCT(refType VARCHAR, spanID VARCHAR)[]
)"""
TRACE = f"STRUCT(traceID VARCHAR, spans {SPAN}[], processes MAP(VARCHAR, STRUCT(serviceName VARCHAR)))"
TRACE_AS_JSON = """{
    "traceID": "VARCHAR",
    "spans": [{"spanID": "VARCHAR", "operationName": "VARCHAR", "duration": "BIGINT", "processID": "VARCHAR",
               "references": [{"refType": "VARCHAR", "spanID": "VARCHAR"}]}],
    "processes": "MAP(VARCHAR, STRUCT(serviceName VARCHAR))"
}"""

how, path = sys.argv[1:]
reading = f"'{path}', format = 'unstructured', maximum_object_size = {os.path.getsize(path) + 1}"
traces = {
    "read_json": f"SELECT unnest(data) AS trace FROM read_json({reading}, columns = {{data: '{TRACE}[]'}})",
    "split": f"""
        SELECT from_json(trace, '{TRACE_AS_JSON}') AS trace
        FROM (SELECT unnest(json_extract(json, '$.data[*]')) AS trace FROM read_json_objects({reading}))
    """,
}[how]

database = duckdb.connect()
database.execute("SET preserve_insertion_order = false")
database.execute(
    f"""
    CREATE TEMP TABLE spans AS
    WITH flat AS (
        SELECT trace.traceID AS trace_id, trace.processes AS processes, unnest(trace.spans) AS span FROM ({traces})
    )
    SELECT trace_id, span.spanID AS id, span.operationName AS operation, span.duration AS duration,
           processes[span.processID].serviceName AS service,
           list_filter(span."references", lambda it: it.refType = 'CHILD_OF')[1].spanID AS parent_id
    FROM flat
    """
)
operations = database.execute(
    """
    SELECT service, operation, count(*), quantile_disc(duration, 0.5), quantile_disc(duration, 0.95),
           quantile_disc(duration, 0.99)
    FROM spans GROUP BY ALL
    """
)
for row in operations.fetchall():
    print("operation", *row, sep="\t")
calls = database.execute(
    """
    SELECT parent.service, child.service, count(*)
    FROM spans child JOIN spans parent ON child.trace_id = parent.trace_id AND child.parent_id = parent.id
    WHERE parent.service <> child.service GROUP BY ALL
    """
)
for row in calls.fetchall():
    print("calls", *row, sep="\t")
