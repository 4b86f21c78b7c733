"""What the benchmarks share: programs that run in turns, and a table of their times and memory."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

turns = int(os.environ.get("TURNS") or 3)
souk = os.path.join(os.environ["SOUK_BUILD"], "souk")


def run(command):
    """Seconds, seconds of processors, and the peak of resident memory in MiB; ends everything if the command fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, code, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(code)
        if child.returncode != 0:
            errors.seek(0)
            sys.exit(f"{errors.read().decode(errors='replace')}{' '.join(command)}: exit status {child.returncode}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def in_turns(programs):
    """{name: command} -> {name: [(seconds, processor seconds, MiB)]}: A B C A B C ..., so that all meet the same machine."""
    runs = {name: [] for name in programs}
    for _ in range(turns):
        for name, command in programs.items():
            runs[name].append(run(command))
    return runs


def table(runs, first):
    """Prints a line a program; returns {name: median seconds / median seconds of `first`}."""
    median = {name: statistics.median(r[0] for r in of) for name, of in runs.items()}
    print(f"{'program':<16} {'median s':>9} {'least s':>8} {'most s':>7} {'processor s':>12} {'peak MiB':>9} {'times ' + first:>12}")
    for name, of in runs.items():
        print(
            f"{name:<16} {median[name]:9.2f} {min(r[0] for r in of):8.2f} {max(r[0] for r in of):7.2f} "
            f"{statistics.median(r[1] for r in of):12.2f} {max(r[2] for r in of):9.0f} {median[name] / median[first]:12.2f}"
        )
    return {name: median[name] / median[first] for name in runs}


def bar(sentence, good):
    """Says whether a bar is met; with BAR=1 one that is missed is an error."""
    print(f"{sentence}: {'yes' if good else 'NO'}")
    if not good and os.environ.get("BAR"):
        sys.exit(1)
