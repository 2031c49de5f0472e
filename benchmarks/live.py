"""End-to-end latency of live recognition at a sensor's 30 frames a second, for each size, on one core.

    taskset -c 0 python benchmarks/live.py

A frame's latency is from its arrival to its answer. Frames that come while an answer is made are taken in, and the
latest is answered next; the others are left out. Weights are random, which makes no difference to time. Time is the
process's own (processor) time: the sensor gives a frame after every thirtieth of a second of it, and while there is
nothing to do the time until the next frame passes at once. So other programs disturb little, and it takes no longer
than the work. `--wall` replays by the clock on the wall, through the thread that `gesturelab stream --replay` uses.
"""

import argparse
import time

import numpy as np
import torch
from suite.live import RATE_HZ, WAYS, untrained, wandering
from suite.settings import SIZES

from gesturelab.datasets.recording import Motion
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Session, StreamOptions, run
from gesturelab.stream.sources import Item, LiveFrame, receive_waiting, replay


class Sensor:
    """Gives frames by processor time, whether they are fetched or not."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self._given = 0
        self._idle_s = -time.process_time()
        self.most_waiting = 0

    def clock(self) -> float:
        """Seconds of work and of waiting for frames."""
        return time.process_time() + self._idle_s

    def take(self) -> list[tuple[float, Item]] | None:
        """The frames that have come since the last call; the next one if none has."""
        if self._given == len(self._frames):
            return None
        self._idle_s += max(0.0, self._given / RATE_HZ - self.clock())
        came: list[tuple[float, Item]] = []
        while self._given < len(self._frames) and self._given / RATE_HZ <= self.clock():
            arrived_s = self._given / RATE_HZ
            came.append((arrived_s, LiveFrame(arrived_s, self._frames[self._given].astype(np.float64))))
            self._given += 1
        self.most_waiting = max(self.most_waiting, len(came))
        return came


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--seconds", type=float, default=30.0, help="of motion")
    parser.add_argument("--every", type=float, default=0.0, help="seconds from answer to answer at least")
    parser.add_argument("--wall", action="store_true", help="by the clock on the wall")
    given = parser.parse_args()
    torch.set_num_threads(1)
    frames = wandering(round(RATE_HZ * given.seconds))
    print("| size | way | frames in | answers | left out | latency p50, ms | p99, ms | load of the core |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in given.sizes.split(","):
        for way, features in WAYS.items():
            model = untrained(size, f"features={features}")
            options = StreamOptions(RATE_HZ, every_s=given.every, segments=SegmentOptions())
            sensor = Sensor(frames)
            clock = time.monotonic if given.wall else sensor.clock
            arrivals = receive_waiting(replay(Motion(frames, RATE_HZ), 1.0), clock) if given.wall else sensor
            session = Session(model, options, clock)
            worked, began = time.process_time(), clock()
            run(session, arrivals, lambda event: None)
            load = (time.process_time() - worked) / (clock() - began)
            said = session.summary()
            cells = [said[name] for name in ("frames", "answers", "left_out", "latency_ms_p50", "latency_ms_p99")]
            print(f"| `{size}` | {way} | {' | '.join(map(str, cells))} | {load:.2f} |", flush=True)


if __name__ == "__main__":
    main()
