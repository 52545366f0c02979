"""A command, and how it is measured."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


class Failed(Exception):
    """What went wrong, for people."""


def kib(usage):
    return usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)


@dataclass
class Command:
    """Something to run over a file."""

    name: str
    argv: list
    file: Path
    seconds: list = field(default_factory=list)
    peak_kib: int = 0

    def run(self):
        """One run, measured from the start of the process to its end."""
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        argv = [str(it) for it in self.argv]
        started = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=null)
        _, status, usage = os.wait4(pid, 0)
        self.seconds.append(time.perf_counter() - started)
        if status != 0:
            raise Failed(f"{' '.join(argv)} ended with {os.waitstatus_to_exitcode(status)}")
        self.peak_kib = max(self.peak_kib, kib(usage))

    def answers(self, path):
        """Runs once with its output in a file."""
        with open(path, "wb") as out:
            ended = subprocess.run([str(it) for it in self.argv], stdout=out, stdin=subprocess.DEVNULL, check=False)
        if ended.returncode != 0:
            raise Failed(f"{self.name} on {self.file} ended with {ended.returncode}")
        return path

    def median(self):
        return sorted(self.seconds)[len(self.seconds) // 2]

    def megabytes(self):
        return self.file.stat().st_size / 1e6

    def rate(self):
        """MB/s."""
        return self.megabytes() / self.median()

    def peak(self):
        """In MiB. A process that is started begins with the size of the one that started it: less is not seen."""
        own = kib(resource.getrusage(resource.RUSAGE_SELF))
        return f"{self.peak_kib / 1024:.0f}" if self.peak_kib > own else f"<{own / 1024:.0f}"
