"""A sweep of tiny by strategy at other lengths than `bench.py --items sweeps` takes: see suite/sweeps.py.

python benchmarks/sweep_strategies.py                                   made-up people, 6 folds of 2 epochs
python benchmarks/sweep_strategies.py --folds 24 --epochs 20 --data data=irds data.root=ROOT
python benchmarks/sweep_strategies.py --goal 0.8                        exit status 1 if a shared process misses it
"""

import argparse
import sys
from dataclasses import replace

from suite.row import table
from suite.sweeps import SEPARATE, SHARED, compare


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=["data.people=12"], help="which recordings")
    parser.add_argument("--only", nargs="+", type=int, help="strategies by number, from 1")
    parser.add_argument("--goal", type=float, help="of CPU seconds against the best of separate processes")
    options = parser.parse_args()
    every = SEPARATE | SHARED
    wanted = {name: every[name] for number, name in enumerate(every, 1) if not options.only or number in options.only}
    rows = [
        replace(row, goal=row.goal and options.goal)
        for row in compare(wanted, options.data, options.folds, options.epochs)
    ]
    print(table(rows))
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
