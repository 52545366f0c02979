"""Runs the program and its peers side by side; `benches/compare.sh` builds them and calls this.

Every row is first checked, which also warms the page cache. Then all commands run in turn, several times, each in
a process of its own. Shown are medians of wall time, and the most memory ever resident.
"""

import argparse
import os
import platform
import sys
import traceback

from command import Failed
from rows import NAMES, Bench

MAX_STARTUP_MS = 10
STARTUP_RUNS = 50


def parse_arguments():
    parser = argparse.ArgumentParser(prog="benches/compare.sh", description="The program against its peers.")
    parser.add_argument("--quick", action="store_true", help="3 runs instead of 7")
    parser.add_argument("--large", action="store_true", help="a capture of 4 GB as well")
    parser.add_argument("--only", metavar="ROW,ROW", default=NAMES, type=row_names, help=", ".join(NAMES))
    parser.add_argument("--no-install", action="store_true", help="measure against what is there")
    parser.add_argument("--program", help=argparse.SUPPRESS)
    parser.add_argument("--throughput", help=argparse.SUPPRESS)
    return parser.parse_args()


def row_names(text):
    names = text.split(",")
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"there is no row {name}; rows are {', '.join(NAMES)}")
    return names


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def warm_up(commands):
    for command in commands:
        progress(f"warming up: {command.file.name}")
        command.answers(os.devnull)


def run_in_turn(commands, runs):
    for nth in range(runs):
        for command in commands:
            progress(f"run {nth + 1} of {runs}: {command.name}, {command.file.name}")
            command.run()
    progress("")


def machine():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            name = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def figures(command):
    return f"{command.median():7.3f} {command.rate():6.0f} {command.peak():>5}"


def compare(bench, runs):
    """The rows with a peer; returns what was missed."""
    rows = bench.rows()
    for row in rows:
        progress(f"checking {row.name}")
        bench.check(row)
    run_in_turn([command for row in rows for command in row.commands()], runs)
    if rows:
        units = f"{'s':>7} {'MB/s':>6} {'MiB':>5}"
        print(f"{'':<22} {units}   {'peer':<32} {units} {'ratio':>7} {'wanted':>7}")
    missed = []
    for row in rows:
        left = f"{row.name:<22} {figures(row.ours)}"
        for peer in row.others:
            right = f"{row.ratio():7.2f} {row.bar():>7} {row.verdict()}" if peer is row.peer() else ""
            print(f"{left:<43}   {peer.name:<32} {figures(peer)} {right}".rstrip())
            left = ""
        if row.is_missed():
            missed.append(f"{row.name}: {row.ratio():.2f} of {row.peer().name}, wanted at least {row.at_least:g}")
    return missed


def start_up(bench):
    """How long next to nothing takes; returns what was missed."""
    commands = bench.startup()
    warm_up(commands)
    run_in_turn(commands, STARTUP_RUNS)
    missed = []
    print(f"\n{'start-up':<32} {'ms':>7} {'wanted':>7}")
    for command in commands:
        ms = command.median() * 1e3
        is_missed = ms > MAX_STARTUP_MS
        print(f"{command.name:<32} {ms:7.1f} {f'<= {MAX_STARTUP_MS}':>7} {'NOT REACHED' if is_missed else 'reached'}")
        if is_missed:
            missed.append(f"start-up, {command.name}: {ms:.1f} ms, wanted at most {MAX_STARTUP_MS}")
    return missed


def alone(bench, runs):
    """Sizes and shapes that nothing is compared with."""
    named = bench.alone()
    warm_up([command for _, command in named])
    run_in_turn([command for _, command in named], runs)
    print(f"\n{'alone':<32} {'MB':>7} {'s':>7} {'MB/s':>6} {'MiB':>5}")
    for name, command in named:
        print(f"{name:<32} {command.megabytes():7.0f} {figures(command)}")


def main():
    arguments = parse_arguments()
    if arguments.program is None:
        return 0  # only the arguments were to be checked
    bench, runs = Bench(arguments), 3 if arguments.quick else 7
    print(f"machine: {machine()}; medians of {runs} runs")
    missed = compare(bench, runs)
    if "startup" in arguments.only:
        missed += start_up(bench)
    if {"growth", "shapes"} & set(arguments.only):
        alone(bench, runs)
    print()
    for line in bench.left_out:
        print(f"left out: {line}")
    for line in missed:
        print(f"missed: {line}")
    if not missed:
        print("all that was measured is reached")
    return 1 if missed else 0


try:
    sys.exit(main())
except (Failed, OSError) as failed:
    print(f"compare.sh: {failed}", file=sys.stderr)
    sys.exit(2)
except Exception:  # what Python would end with stands for a row that is missed
    traceback.print_exc()
    sys.exit(2)
