"""How far a sweep is: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import TextIO

_SECONDS = 10.0


class Progress:
    """Shows rate, time left and failures.

    Parameters
    ----------
    stream : file
        A terminal, or not.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._stream, self._total, self._done, self._failed = stream, 0, 0, 0
        self._began = self._told = time.monotonic()
        self._console = Console(file=stream)
        columns = (
            "runs",
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Bar(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("", total=0)

    def __enter__(self) -> "Progress":
        """Start to show."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show how it ended."""
        self._bar.stop()
        if not self._console.is_terminal:
            self._line()

    def more(self, number: int) -> None:
        """So many more are to be made."""
        self._total += number
        self._bar.update(self._task, total=self._total)

    def one(self, failed: bool) -> None:
        """One has been made, or has failed."""
        self._done += 1
        self._failed += failed
        now = time.monotonic()
        if self._console.is_terminal:
            rate = self._done / max(now - self._began, 1e-9)
            failures = f", {self._failed} failed" if self._failed else ""
            self._bar.update(self._task, advance=1, description=f"{rate:.3g} runs/s{failures}")
        elif now - self._told > _SECONDS:
            self._told = now
            self._line()

    def _line(self) -> None:
        spent = max(time.monotonic() - self._began, 1e-9)
        left = (self._total - self._done) * spent / max(self._done, 1)
        ends = f", {left:.0f} s left" if self._done < self._total else ""
        failures = f", {self._failed} failed" if self._failed else ""
        self._stream.write(
            f"{self._done} of {self._total} runs ended{failures}; {self._done / spent:.3g} runs/s{ends}\n"
        )
        self._stream.flush()
