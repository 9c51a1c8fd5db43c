"""What a person sees while it measures: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

console = Console(stderr=True, highlight=False)


class Progress:
    """Marks done of marks to do, and what is being done now."""

    def __init__(self, total: int) -> None:
        self._began = time.monotonic()
        self._bar: RichProgress | None = None
        if console.is_terminal:
            self._bar = RichProgress(
                MofNCompleteColumn(),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("[bold]{task.description}[/] [dim]{task.fields[detail]}"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, detail="")
        self._now = ""

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, name: str) -> None:
        """This mark is measured from now on."""
        self._now = name
        if self._bar is not None:
            self._bar.update(self._task, description=name, detail="")

    def say(self, detail: str) -> None:
        """What is being done now."""
        if self._bar is not None:
            self._bar.update(self._task, detail=escape(detail))
        else:
            self.line(f"{escape(self._now)}: {escape(detail)}")

    def end(self) -> None:
        """The mark is done."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def line(self, text: str) -> None:
        """One line for good (rich markup), with the seconds since the beginning."""
        took = time.monotonic() - self._began
        console.print(f"[dim]{took:6.1f} s[/]  {text}", soft_wrap=True)
