"""Many requests at once to `gesturelab serve`: what they are told, how long it takes, what memory the server takes.

python benchmarks/flood.py MODEL                    10,000 requests at once
python benchmarks/flood.py MODEL --requests 2000

Exit status 1 when a request gets anything but an answer or a 503, or the server's memory grows by more than 256 MB from
the end of the first flood to the end of the third.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import psutil

HOST, PORT = "127.0.0.1", 8765
MOST_GROWTH_MB = 256


async def ask(request: bytes) -> str:
    """The status of one request; "refused" when the system has no room for the connection."""
    try:
        reader, writer = await asyncio.open_connection(HOST, PORT)
    except OSError:
        return "refused"
    try:
        writer.write(request)
        await writer.drain()
        line = await reader.readline()
        await reader.read()
        return line.split(b" ")[1].decode()
    except (OSError, IndexError):
        return "broken"
    finally:
        writer.close()


async def flood(request: bytes, count: int) -> Counter[str]:
    return Counter(await asyncio.gather(*(ask(request) for _ in range(count))))


def wait_until_up(server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if asyncio.run(ask(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) == "200":
            return
        if server.poll() is not None:
            sys.exit("the server ended")
        time.sleep(0.1)
    sys.exit("the server did not begin within a minute")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    draws = np.random.default_rng(0)
    positions = (draws.normal(0, 0.3, (1, 25, 3)) + draws.normal(0, 0.02, (90, 25, 3))).round(4).tolist()
    body = json.dumps({"positions": positions, "rate_hz": 30}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    command = [sys.executable, "-m", "gesturelab", "serve", options.model, "--port", str(PORT)]
    ended: list[float] = []
    ok = True
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until_up(server)
            memory = psutil.Process(server.pid)
            begun = memory.memory_info().rss / 1e6
            print(f"{options.requests} requests of {len(body):,} bytes at once; server {begun:.0f} MB")
            for number in range(3):
                began = time.perf_counter()
                told = asyncio.run(flood(head + body, options.requests))
                seconds = time.perf_counter() - began
                ended.append(memory.memory_info().rss / 1e6)
                said = ", ".join(f"{count} {status}" for status, count in sorted(told.items()))
                print(f"flood {number + 1}: {said} in {seconds:.1f} s; server {ended[-1]:.0f} MB", flush=True)
                ok = ok and set(told) <= {"200", "503"}
        finally:
            server.terminate()
    return 0 if ok and ended[-1] - ended[0] < MOST_GROWTH_MB else 1


if __name__ == "__main__":
    sys.exit(main())
