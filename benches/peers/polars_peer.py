"""polars: the schema is told, so that only what is needed is kept. Answers as README.md has them."""

import sys

import polars as pl

text, number = pl.String, pl.Int64
reference = pl.Struct({"refType": text, "spanID": text})
span = pl.Struct({
    "spanID": text,
    "operationName": text,
    "references": pl.List(reference),
    "duration": number,
    "processID": text,
})
# polars has no maps: processes are a column each, p1 to p64.
processes = pl.Struct({f"p{n}": pl.Struct({"serviceName": text}) for n in range(1, 65)})
trace = pl.Struct({"traceID": text, "spans": pl.List(span), "processes": processes})

traces = pl.read_json(sys.argv[1], schema={"data": pl.List(trace)}).explode("data").unnest("data")
services = (
    traces.select("traceID", "processes").unnest("processes")
    .unpivot(index="traceID", variable_name="processID", value_name="process")
    .select("traceID", "processID", pl.col("process").struct.field("serviceName").alias("service"))
    .drop_nulls()
)
spans = (
    traces.select("traceID", "spans").explode("spans").unnest("spans")
    .join(services, on=["traceID", "processID"])
    .with_columns(
        parentID=pl.col("references")
        .list.filter(pl.element().struct.field("refType") == "CHILD_OF")
        .list.first().struct.field("spanID")
    )
)

nearest_rank = {"interpolation": "equiprobable"}
operations = spans.group_by("service", "operationName").agg(
    pl.len().alias("n"),
    *(pl.col("duration").quantile(q, **nearest_rank).cast(number).alias(str(q)) for q in (0.50, 0.95, 0.99)),
)
parents = spans.select("traceID", pl.col("spanID").alias("parentID"), pl.col("service").alias("caller"))
calls = (
    spans.join(parents, on=["traceID", "parentID"])
    .filter(pl.col("caller") != pl.col("service"))
    .group_by("caller", "service").len()
)

for row in operations.iter_rows():
    print("operation", *row, sep="\t")
for row in calls.iter_rows():
    print("calls", *row, sep="\t")
