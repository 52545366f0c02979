// Node: JSON.parse, then loops. Answers as README.md has them.
const { readFileSync, writeFileSync } = require("node:fs");

const durations = new Map();
const calls = new Map();
for (const trace of JSON.parse(readFileSync(process.argv[2], "utf8")).data) {
  const service = (span) => trace.processes[span.processID].serviceName;
  const byId = new Map(trace.spans.map((span) => [span.spanID, span]));
  for (const span of trace.spans) {
    const callee = service(span);
    const key = `${callee}\t${span.operationName}`;
    const known = durations.get(key);
    if (known) known.push(span.duration);
    else durations.set(key, [span.duration]);
    const reference = span.references.find((it) => it.refType === "CHILD_OF");
    const parent = reference && byId.get(reference.spanID);
    if (parent && service(parent) !== callee) {
      const edge = `${service(parent)}\t${callee}`;
      calls.set(edge, (calls.get(edge) ?? 0) + 1);
    }
  }
}

let text = "";
for (const [key, unsorted] of durations) {
  const sorted = Float64Array.from(unsorted).sort();
  const at = (percent) => sorted[Math.ceil((sorted.length * percent) / 100) - 1];
  text += `operation\t${key}\t${sorted.length}\t${at(50)}\t${at(95)}\t${at(99)}\n`;
}
for (const [edge, n] of calls) text += `calls\t${edge}\t${n}\n`;
writeFileSync(1, text);
