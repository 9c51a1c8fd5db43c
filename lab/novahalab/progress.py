"""What a person sees while a long step runs: live lines on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False)


class Step:
    """One step under way; ``say`` tells what it is doing now."""

    def __init__(self, owner: Progress, name: str) -> None:
        self._owner = owner
        self.name = name
        self.began = time.monotonic()
        self._task: TaskID | None = None
        if owner.live is not None:
            self._task = owner.live.add_task(name, total=None, detail="")

    def say(self, detail: str) -> None:
        """Show what the step is doing now."""
        if self._owner.live is not None and self._task is not None:
            self._owner.live.update(self._task, detail=detail)
        else:
            self._owner.line(f"{self.name}: {detail}")

    def end(self, outcome: str, style: str) -> None:
        """Close the step's line."""
        if self._owner.live is not None and self._task is not None:
            self._owner.live.remove_task(self._task)
        took = time.monotonic() - self.began
        self._owner.line(f"[{style}]{self.name}: {outcome}[/] [dim]({took:.1f} s)[/]")


class Progress:
    """The steps of one command. Thread-safe: steps may run side by side."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.live: RichProgress | None = None
        if console.is_terminal:
            self.live = RichProgress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[detail]}"),
                console=console,
                transient=True,
            )

    def __enter__(self) -> Progress:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def line(self, text: str) -> None:
        """One line for good, with the seconds since the command began."""
        console.print(f"[dim]{time.monotonic() - self.began:6.1f} s[/]  {text}")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step that ends as "done" or, with an exception, as "failed"."""
        step = Step(self, name)
        try:
            yield step
        except BaseException:
            step.end("failed", "red")
            raise
        step.end("done", "green")
