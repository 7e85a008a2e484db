"""A progress bar on a terminal, and silence elsewhere."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from watchdog.facts.trigger import Trigger


@contextmanager
def bars(
    count: int, *, show: bool = True
) -> Generator[Callable[[Trigger, int, int], None], None, None]:
    """Show how far each of *count* triggers is, on stderr, until the block ends."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not (show and console.is_terminal),
    ) as progress:
        whole = progress.add_task("backtest", total=count)
        done: dict[str, float] = {}

        def tell(trigger: Trigger, points: int, of: int) -> None:
            done[trigger.name] = points / of if of else 1.0
            progress.update(
                whole, completed=sum(done.values()), description=trigger.name
            )

        yield tell
