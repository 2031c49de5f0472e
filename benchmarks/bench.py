"""Every figure of the suite, as a ratio against something measured in the same run.

    python benchmarks/bench.py --root ../shared/irds       every item, about a quarter of an hour
    python benchmarks/bench.py --short                     made-up recordings, under three minutes on two cores
    python benchmarks/bench.py --full --root ...           other batches too
    python benchmarks/bench.py --items data,startup        some items

Exit status 1 when a goal is missed; with --bounds, when a bound that holds on any machine is broken.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from suite import data, epoch, inference, live, machine, memory, startup, sweeps, training_step
from suite.row import Row, table
from suite.settings import SIZES, Form, Settings

from gesturelab.training.device import keep_freed_memory

ITEMS: dict[str, Callable[[Settings], list[Row]]] = {
    "data": data.rows,
    "step": training_step.rows,
    "epoch": epoch.rows,
    "memory": memory.rows,
    "startup": startup.rows,
    "inference": inference.rows,
    "live": live.rows,
    "sweeps": sweeps.rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="real recordings, as data.root; without it some are made up")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--bounds", action="store_true", help="judge by the bounds, not by the goals")
    parser.add_argument("--items", default=",".join(ITEMS), help=f"some of {','.join(ITEMS)}")
    parser.add_argument("--sizes", default=",".join(SIZES), help="whose training steps to measure; not with --short")
    parser.add_argument("--threads", type=int, help="of torch; its own choice without")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if unknown := set(options.items.split(",")) - set(ITEMS):
        parser.error(f"there is no item {', '.join(sorted(unknown))}")
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()  # as a training does
    form = Form.short if options.short else Form.full if options.full else Form.normal
    limits = machine.measure()
    print(limits, flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(
            None if options.short else options.root, form, Path(scratch), tuple(options.sizes.split(","))
        )
        for item in options.items.split(","):
            began = time.perf_counter()
            rows += ITEMS[item](settings)
            print(f"{item}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\nOn {settings.recordings}:\n\n{table(rows)}")
    if options.json:
        found = {"machine": vars(limits), "rows": [row.as_json() for row in rows]}
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    judged = [row.within if options.bounds else row.met for row in rows]
    print(f"\n{judged.count(True)} {'bounds hold' if options.bounds else 'goals met'}, {judged.count(False)} not")
    return 1 if False in judged else 0


if __name__ == "__main__":
    logging.disable(logging.INFO)
    sys.exit(main())
