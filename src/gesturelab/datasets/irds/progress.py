"""How far a long transfer is: a bar on a terminal, a line each tenth elsewhere."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

Advance = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None, console: Console) -> Generator[Advance]:
    """Gives a function to be called with each number of bytes done."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)
        return
    done = said = 0
    step = max((total or 0) // 10, 10 * 2**20)

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        if done - said >= step or (count and done == total):
            said = done
            share = f" of {total / 2**20:.1f}" if total else ""
            console.print(f"{what}: {done / 2**20:.1f}{share} MB", soft_wrap=True, highlight=False)

    yield advance
