"""DuckDB: read_json with the columns told, then SQL. Answers as README.md has them."""

import sys

import duckdb

TRACE = """STRUCT(
    traceID VARCHAR,
    spans STRUCT(
        spanID VARCHAR, operationName VARCHAR, duration BIGINT, processID VARCHAR,
        "references" STRUCT(refType VARCHAR, spanID VARCHAR)[]
    )[],
    processes MAP(VARCHAR, STRUCT(serviceName VARCHAR))
)"""

database = duckdb.connect()
database.execute("SET preserve_insertion_order = false")
database.execute(
    f"""
    CREATE TEMP TABLE spans AS
    WITH traces AS (
        SELECT unnest(data) AS trace
        FROM read_json(?, format = 'unstructured', maximum_object_size = 2000000000, columns = {{data: '{TRACE}[]'}})
    ), flat AS (
        SELECT trace.traceID AS trace_id, trace.processes AS processes, unnest(trace.spans) AS span FROM traces
    )
    SELECT trace_id, span.spanID AS id, span.operationName AS operation, span.duration AS duration,
           processes[span.processID].serviceName AS service,
           list_filter(span."references", lambda it: it.refType = 'CHILD_OF')[1].spanID AS parent_id
    FROM flat
    """,
    [sys.argv[1]],
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
