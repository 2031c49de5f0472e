"""End-to-end latency of live recognition: a sensor's 30 frames a second, in real time, for each size, on one core.

    taskset -c 0 python benchmarks/live.py

A frame's latency is from its arrival to its answer. Frames that come while an answer is made are taken in, and the
latest is answered next; the others are left out. Weights are random, which makes no difference to time.
"""

import argparse
import time

import torch
from suite.live import RATE_HZ, WAYS, untrained, wandering
from suite.settings import SIZES

from gesturelab.data.formats import Motion
from gesturelab.stream.inbox import Inbox
from gesturelab.stream.loop import run
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Session, StreamOptions
from gesturelab.stream.sources import replay


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--every", type=float, default=0.0, help="seconds from answer to answer at least")
    given = parser.parse_args()
    torch.set_num_threads(1)
    motion = Motion(wandering(round(RATE_HZ * given.seconds)), RATE_HZ)
    print("| size | way | frames in | answers | left out | latency p50, ms | p99, ms | load of the core |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in given.sizes.split(","):
        for way, features in WAYS.items():
            model = untrained(size, f"features={features}")
            options = StreamOptions(RATE_HZ, every_s=given.every, segments=SegmentOptions())
            session = Session(model, options, time.monotonic)
            worked, began = time.process_time(), time.monotonic()
            run(session, Inbox(replay(motion, 1.0), time.monotonic), lambda event: None)
            load = (time.process_time() - worked) / (time.monotonic() - began)
            said = session.summary()
            cells = [said[name] for name in ("frames", "answers", "left_out", "latency_ms_p50", "latency_ms_p99")]
            print(f"| `{size}` | {way} | {' | '.join(map(str, cells))} | {load:.2f} |", flush=True)


if __name__ == "__main__":
    main()
