"""What is compared with what, on which files, and the ratios wanted."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from command import Command, Failed

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches/peers"
DATA = ROOT / "target/bench"
VENV = DATA / "venv/bin/python"
HOTROD = Path(os.environ.get("ANALYZE_TRACES_HOTROD", ROOT / "../shared/data/hotrod")) / "jaeger-2.13.jaeger.json.gz"
NAMES = (
    "simdjson", "serde", "node", "polars", "jq", "python", "duckdb", "duckdb-split",
    "crisp", "threads", "hotrod", "otlp", "shuffled", "startup", "growth", "shapes",
)


@dataclass
class Row:
    """A comparison: our time against the others', of which the fastest counts."""

    name: str
    ours: Command
    others: list
    at_least: float | None = None
    by_rate: bool = False  # of different files: MB/s are compared instead of times

    def commands(self):
        return [self.ours, *self.others]

    def peer(self):
        return min(self.others, key=Command.median)

    def ratio(self):
        return self.ours.rate() / self.peer().rate() if self.by_rate else self.peer().median() / self.ours.median()

    def is_missed(self):
        return self.at_least is not None and self.ratio() < self.at_least

    def bar(self):
        return "" if self.at_least is None else f">= {self.at_least:g}"

    def verdict(self):
        if self.at_least is None:
            return ""
        return "NOT REACHED" if self.is_missed() else "reached"


class Bench:
    """What is measured, with the files it needs."""

    def __init__(self, arguments):
        self.program = arguments.program
        self.throughput = arguments.throughput
        self.large = arguments.large
        self.wanted = set(arguments.only)
        self.left_out = []

    # --- Files, made once ---

    def made(self, name, source, argv):
        """The file of this name, whose place in `argv` is None; made again when what it is made of is newer."""
        path, unfinished = DATA / name, DATA / f"unfinished-{name}"
        if path.exists() and path.stat().st_mtime >= source.stat().st_mtime:
            return path
        print(f"making {path}", file=sys.stderr)
        argv = [str(unfinished if it is None else it) for it in argv]
        ended = subprocess.run(argv, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise Failed(f"cannot make {path}: {ended.stderr}")
        return unfinished.rename(path)

    def capture(self, n, shape="compact"):
        generator = ROOT / "benches/throughput/generate.rs"
        return self.made(f"{shape}-{n}.json", generator, [self.throughput, "--write", None, n, shape])

    def otlp(self):
        jaeger = self.capture(100)
        return self.made("otlp-100.jsonl", jaeger, [self.program, "export", "--to", "otlp", "-o", None, jaeger])

    def hotrod(self):
        script = PEERS / "multiply.py"
        return self.made("hotrod-300.json", script, [sys.executable, script, HOTROD, 300, None])

    # --- Commands ---

    def ours(self, file, threads=1):
        return Command("analyze-traces", [self.program, file, "--json", "--threads", threads], file)

    def serde(self, file):
        return Command("serde_json", [self.throughput, "--task", "serde", file], file)

    def simdjson(self, file):
        """Both ways to use it."""
        if not (DATA / "simdjson").exists():
            return []
        return [Command(f"simdjson ({how})", [DATA / "simdjson", file, how], file) for how in ("batches", "whole")]

    def script(self, name, runner, *argv):
        """A peer that is a script, if what runs it is there: its version is asked for."""
        probe = [runner, "-c", f"import {name}; print({name}.__version__)"] if runner == VENV else [runner, "--version"]
        try:
            version = subprocess.run(probe, capture_output=True, text=True, check=True).stdout.split()[-1]
        except (OSError, subprocess.CalledProcessError):
            return []
        file = self.capture(100)
        return [Command(f"{name} {version.removeprefix('jq-')}", [runner, *argv, file], file)]

    # --- What is compared ---

    def plans(self):
        """Key, ratio wanted, and who is run, of each row on the same 100 MB."""
        python = sys.executable
        return [
            ("simdjson", 1.0, lambda: self.simdjson(self.capture(100))),
            ("serde", 2.5, lambda: [self.serde(self.capture(100))]),
            ("node", 18, lambda: self.script("node", "node", PEERS / "node.js")),
            ("polars", 28, lambda: self.script("polars", VENV, PEERS / "polars_peer.py")),
            ("jq", 60, lambda: self.script("jq", "jq", "-r", "-f", PEERS / "jq.jq")),
            ("python", 60, lambda: self.script("python", python, PEERS / "python.py")),
            ("duckdb", 80, lambda: self.script("duckdb", VENV, PEERS / "duckdb_peer.py", "read_json")),
            ("duckdb-split", None, lambda: self.script("duckdb", VENV, PEERS / "duckdb_peer.py", "split")),
            ("crisp", None, lambda: self.script("critical path, python", python, PEERS / "critical_path.py")),
        ]

    def rows(self):
        rows = []
        for key, at_least, others in self.plans():
            if key in self.wanted:
                self.add(rows, Row(key, self.ours(self.capture(100)), others(), at_least), "not installed")
        if "threads" in self.wanted:
            file = self.capture(1_000)
            others = [self.ours(file)] if (os.cpu_count() or 1) > 1 else []
            self.add(rows, Row("threads: 2 to 1, 1 GB", self.ours(file, threads=2), others, 1.7), "one core only")
        if "hotrod" in self.wanted:
            if HOTROD.exists():
                file = self.hotrod()
                self.add(rows, Row("hotrod, 300 MB", self.ours(file), self.simdjson(file), 1.0), "not installed")
            else:
                self.left_out.append(f"hotrod: there is no {HOTROD} (ANALYZE_TRACES_HOTROD says where it is)")
        if "otlp" in self.wanted:
            jaeger = self.ours(self.capture(100))
            rows.append(Row("otlp to jaeger", self.ours(self.otlp()), [jaeger], 0.7, by_rate=True))
        if "shuffled" in self.wanted:
            file = self.capture(100, "shuffled")
            rows.append(Row("shuffled keys", self.ours(file), [self.serde(file)], 0.8))
        return rows

    def add(self, rows, row, reason):
        if row.others:
            rows.append(row)
        else:
            self.left_out.append(f"{row.name}: {reason}")

    def startup(self):
        small = ROOT / "fixtures/shapes/concatenated.json"
        return [
            Command("--version", [self.program, "--version"], small),
            Command("a capture of 10 KB", [self.program, small], small),
        ]

    def alone(self):
        """What nothing is compared with: name and command."""
        found = []
        if "growth" in self.wanted:
            for n in (100, 1_000, 4_000) if self.large else (100, 1_000):
                found += [(f"{n} MB, threads: {it}", self.ours(self.capture(n), threads=it)) for it in (1, 2)]
        if "shapes" in self.wanted:
            found += [
                ("one trace of 100,000 spans", self.ours(self.capture(100, "huge"))),
                ("1,000,000 traces of one span", self.ours(self.capture(1_000, "tiny"))),
                ("pretty-printed", self.ours(self.capture(100, "pretty"))),
                ("keys shuffled", self.ours(self.capture(100, "shuffled"))),
            ]
        return found

    # --- Checks ---

    def check(self, row):
        """Whether all of a row have computed the same, in a process of its own: this one has to stay small."""
        out = DATA / "answers"
        out.mkdir(exist_ok=True)
        report = row.ours.answers(out / "ours.json")
        theirs = []
        for nth, command in enumerate(row.others):
            theirs.append(command.answers(out / f"{nth}.{'json' if command.name == 'analyze-traces' else 'tsv'}"))
        # What simdjson extracted is known by its sums alone: the other extractor has to have the same.
        if any(it.name.startswith("simdjson") for it in row.others):
            theirs.append(self.serde(row.ours.file).answers(out / "serde.tsv"))
        argv = [sys.executable, PEERS / "check.py", report, *theirs]
        ended = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
        if ended.returncode != 0:
            raise Failed(f"{row.name}: the answers differ\n{ended.stdout}")
