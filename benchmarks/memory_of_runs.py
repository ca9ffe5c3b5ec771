"""The peak memory of a comparison and of a search, run after run, and their time.

The script runs a command of small runs, and looks twice a second how much memory it holds: the process of the
command; each process that it starts, such as those that measure costs; and all together, where the pages of files, such
as TensorFlow's code, count once, as processes share them.

    python benchmarks/memory_of_runs.py compare --runs 20
    python benchmarks/memory_of_runs.py search --runs 16

take about 3 minutes each on two idle cores. Other options go to the command: `--no-costs`, `--image-size 64`.
"""

import argparse
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

SMALL = ["--data-option", "count=60", "--image-size", "32", "--width", ".05", "--units", "16", "--epochs", "1"]
VARIANTS = 4  # of a comparison by default
SECONDS_BETWEEN_LOOKS = 0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=("compare", "search"))
    parser.add_argument("--runs", type=int, default=20, help="runs or trials")
    options, others = parser.parse_known_args()
    many = {
        "compare": ["--seeds", str(options.runs // VARIANTS)],
        "search": ["--max-trials", str(options.runs), "--tuner", "random"],
    }
    with tempfile.TemporaryDirectory() as folder:
        words = [options.command, *SMALL, *many[options.command], "--run", f"{folder}/run", *others]
        measure([sys.executable, "-m", "keras_attention", *words])


def measure(command):
    """Runs the command; prints the peak of its process after each of its lines, and all peaks and times at the end."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks = Peaks(process.pid)
    for line in process.stdout:
        print(f"{peaks.own:5.0f} MB  {line}", end="", flush=True)
    code, seconds = process.wait(), time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"peak: {peaks.own:.0f} MB of the command, {peaks.other:.0f} MB of the largest process that it started,")
    print(f"      {peaks.together:.0f} MB of all together")
    print(f"time: {seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time")
    sys.exit(code)


class Peaks:
    """The peaks of memory of a process and of what it starts, in MB, until the process ends.

    Attributes:
        own: the peak of the process.
        other: the largest peak of a process that it started.
        together: the largest sum that was seen, with the pages of files counted once.
    """

    def __init__(self, process_id):
        self.process_id, self.own, self.other, self.together = process_id, 0.0, 0.0, 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while pathlib.Path(f"/proc/{self.process_id}").exists():
            family = [self.process_id, *descendants(self.process_id)]
            self.own = max(self.own, megabytes(self.process_id, "VmHWM"))
            self.other = max([self.other, *(megabytes(each, "VmHWM") for each in family[1:])])
            files = max(megabytes(each, "RssFile") for each in family)
            self.together = max(self.together, files + sum(megabytes(each, "RssAnon") for each in family))
            time.sleep(SECONDS_BETWEEN_LOOKS)


def descendants(process_id):
    """The processes that a process started, and those that they started."""
    found = []
    for path in pathlib.Path(f"/proc/{process_id}/task").glob("*/children"):
        for child in read(path).split():
            found += [int(child), *descendants(int(child))]
    return found


def megabytes(process_id, name):
    """A figure of a process as Linux tells it, in MB; 0 if the process is gone."""
    found = re.search(rf"^{name}:\s+(\d+) kB", read(pathlib.Path(f"/proc/{process_id}/status")), re.M)
    return int(found.group(1)) * 1024 / 1e6 if found else 0.0


def read(path):
    try:
        return path.read_text()
    except (OSError, ProcessLookupError):  # the process has ended in the meantime
        return ""


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
