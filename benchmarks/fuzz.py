"""Damages valid files at random, and demands of each reader an answer or one of our own errors that names the file.

Each parser runs in a process of its own. A failure is any other exception, a crash, an input that takes longer than
`SLOWEST_S`, or memory that grows by more than `MOST_MIB` over what the untouched example needs.
"""

import argparse
import faulthandler
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SLOWEST_S = 10.0
MOST_MIB = 400
MOST_FAILURES = 20
SHARES = {"report": 4.0, "weights": 3.0, "config": 2.0, "info": 2.0, "decimals": 0.5, "trackers": 0.5, "search": 0.5}
"""Of the time, beside 1 for the others: slow readers, and those with much to get wrong, have more."""


class TooSlowError(BaseException):
    """An input took too long."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz everything that reads files.")
    parser.add_argument("--seconds", type=float, default=200, help="for all parsers together (default: 200)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="parsers (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed tries the same inputs (default: 0)")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="write inputs that fail into a folder")
    parser.add_argument("--atheris", action="store_true", help="also guided by coverage, where atheris is installed")
    parser.add_argument("--worker", metavar="NAME", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return _work(given.worker, given.seconds, given.seed, given.keep)
    from fuzzing_parsers import PARSERS

    names = given.only or list(PARSERS)
    if unknown := [name for name in names if name not in PARSERS]:
        parser.error(f"there is no parser {', '.join(unknown)}; there are {', '.join(PARSERS)}")
    print("| parser | inputs | read | refused | seconds | slowest ms | memory MiB | failures |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    failed, tried = 0, 0
    whole = sum(SHARES.get(name, 1.0) for name in names)
    for name in names:
        row = _run(name, given.seconds * SHARES.get(name, 1.0) / whole, given.seed, given.keep)
        failed += row["failures"]
        tried += row["tried"]
        shown = (row["tried"], row["read"], row["refused"])
        print(
            f"| {name} | {' | '.join(f'{count:,}' for count in shown)} | {row['seconds']:.0f} "
            f"| {row['slowest_ms']:.0f} | {row['memory_mib']:.0f} | {row['failures']} |",
            flush=True,
        )
        for line in row["said"]:
            print(f"    {line}", file=sys.stderr)
    print(f"{tried:,} inputs, {failed} failures")
    if given.atheris:
        failed += _guided(given.seconds / 4)
    return 1 if failed else 0


def _run(name: str, seconds: float, seed: int, keep: Path | None) -> dict:
    """A parser in a process of its own."""
    words = [sys.executable, __file__, "--worker", name, "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(words + (["--keep", str(keep)] if keep else []), capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = f"{name}: the process ended with {done.returncode}: {done.stderr[-2000:]}"
        zeros = dict.fromkeys(("tried", "read", "refused", "seconds", "slowest_ms", "memory_mib"), 0)
        return {**zeros, "failures": 1, "said": [said]}


def _work(name: str, seconds: float, seed: int, keep: Path | None) -> int:
    from fuzzing_case import check
    from fuzzing_parsers import case_of

    signal.signal(signal.SIGALRM, _too_slow)
    warnings.simplefilter("error", RuntimeWarning)  # NumPy's, of numbers that should have been refused
    with tempfile.TemporaryDirectory() as folder:
        case = case_of(name, Path(folder) / "fuzz")
        for number in range(3):  # what is imported late is no growth
            _attempt(check, case, case.make(random.Random(f"{name} warm {number}")))
        before = _peak_mib()
        counts = {"read": 0, "refused": 0}
        said: list[str] = []
        slowest, tried, failures = 0.0, 0, 0
        began = time.monotonic()
        while time.monotonic() - began < seconds and failures < MOST_FAILURES:
            data = case.make(random.Random(f"{name} {seed} {tried}"))
            started = time.monotonic()
            problem = _attempt(check, case, data)
            slowest = max(slowest, time.monotonic() - started)
            tried += 1
            if problem in counts:
                counts[problem] += 1
                continue
            failures += 1
            said.append(f"{name} --seed {seed}, input {tried - 1} ({len(data)} bytes): {problem}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name}-{seed}-{tried - 1}").write_bytes(data)
        grown = _peak_mib() - before
        if grown > MOST_MIB:
            failures += 1
            said.append(f"{name}: memory grew by {grown:.0f} MiB, more than {MOST_MIB}")
        row = {"tried": tried, **counts, "seconds": time.monotonic() - began, "slowest_ms": 1000 * slowest}
    print(json.dumps({**row, "memory_mib": grown, "failures": failures, "said": said}))
    return 0


def _attempt(check, case, data: bytes) -> str:
    """``read`` or ``refused``, else what went wrong."""
    faulthandler.dump_traceback_later(6 * SLOWEST_S, exit=True)  # in case it hangs where no signal is looked for
    signal.setitimer(signal.ITIMER_REAL, SLOWEST_S)
    try:
        return "read" if check(case, data) else "refused"
    except TooSlowError:
        return f"took longer than {SLOWEST_S:.0f} s"
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
        return f"{type(error).__name__}: {str(error)[:300]} ({where})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def _too_slow(*_: object) -> None:
    raise TooSlowError


def _peak_mib() -> float:
    """Of this process, in MiB (Linux counts in KiB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _guided(seconds: float) -> int:
    """The two text parsers by coverage; 1 if one of them fails."""
    import importlib.util

    if importlib.util.find_spec("atheris") is None:
        print("atheris: skipped, it is not installed (pip install atheris)")
        return 0
    failed = 0
    for name in ("simplified", "raw", "decimals"):
        code = (
            "import atheris, sys\n"
            f"sys.path.insert(0, {str(Path(__file__).parents[1] / 'tests')!r})\n"
            "with atheris.instrument_imports(include=['gesturelab']):\n"
            "    from fuzzing_case import check\n"
            "    from fuzzing_parsers import case_of, raw_text, simplified_text\n"
            f"case = case_of({name!r})\n"
            "atheris.Setup(sys.argv, lambda data: check(case, data))\n"
            "atheris.Fuzz()\n"
        )
        with tempfile.TemporaryDirectory() as dataset:
            from fuzzing_parsers import raw_text, simplified_text

            (Path(dataset) / "a").write_bytes(
                {"raw": raw_text(2), "simplified": simplified_text(2)}.get(name, b"1,-0.5")
            )
            words = [
                sys.executable,
                "-c",
                code,
                f"-max_total_time={seconds / 3:.0f}",
                "-rss_limit_mb=2048",
                "-timeout=10",
            ]
            done = subprocess.run([*words, dataset], capture_output=True, text=True, check=False, cwd=dataset)
        last = [
            line for line in done.stderr.splitlines() if line.startswith(("Done", "stat::", "#")) or "Error" in line
        ]
        print(f"atheris, {name}: {'FAILED ' if done.returncode else ''}{last[-1] if last else done.stderr[-300:]}")
        failed += bool(done.returncode)
    return failed


if __name__ == "__main__":
    sys.exit(main())
