"""The version in the stack's env file, and what keeps it from being pinned there."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from watchdog.facts.lack import Lack
from watchdog.facts.problem import Problem
from watchdog.observe.replacing import hindrances
from watchdog.outside.stack_folder import StackEnv


class Pin:
    """One variable of the env file *name* in *folder*; looked at only."""

    def __init__(self, folder: Path, name: str, variable: str) -> None:
        self._name = name
        self._variable = variable
        self._env = StackEnv(folder, name)

    def values(self, names: Collection[str] = ()) -> dict[str, str]:
        """Give what is pinned: *names*, or the one variable without any.

        Raises:
            Problem: one has none, or none whose line could be changed alone.
        """
        env = self._env.read()
        return {name: env.pinnable(name) for name in names or (self._variable,)}

    def lacks(self, names: Collection[str] = ()) -> tuple[Lack, ...]:
        """Say why other values could not be pinned."""
        return tuple(self._lacks(names))

    def _lacks(self, names: Collection[str]) -> Iterator[Lack]:
        try:
            self.values(names)
            place = self._env.place()
        except Problem as problem:
            yield Lack(problem.words, problem.hint, pin=True)
            return
        if place is not None:
            for lack in hindrances(*place):
                yield replace(lack, pin=True)

    def astray(
        self, version: str, made: tuple[str, ...] | None = None
    ) -> tuple[Lack, ...]:
        """Say the same, and that what is pinned is not *version*, which runs.

        The latter a rollback would mend: it pins its target. *made* is the referee's
        word on what would be made otherwise now, where one could be asked: then it
        is what counts, for the value may be a part of the version only.
        """
        found = self.lacks()
        if made == ():
            return found
        try:
            (pinned,) = self.values().values()
        except Problem:
            return found
        if pinned == version and made:
            drift = Lack(
                f"`docker compose up -d` would change what runs: {'; '.join(made)}",
                "deploy, or put the stack's files back as they were at the deployment",
                mendable=True,
                pin=True,
            )
            return (*found, drift)
        if pinned == version:
            return found
        drift = Lack(
            f"{self._variable} is {pinned} in {self._name}, what runs is {version}: "
            "the next `docker compose up -d` would change that",
            f"deploy {pinned}, or write `{self._variable}={version}` into {self._name}",
            mendable=True,
            pin=True,
        )
        return (*found, drift)


def other_env_file(given: Sequence[Path], ours: Path) -> Lack:
    """Say that Compose reads *given*, and the version would be pinned in *ours*."""
    return Lack(
        f"Compose reads the version from {', '.join(map(str, given))}, and "
        f"stack.env_file is {ours}",
        f"set stack.env_file to the last that Compose reads and write the version "
        f"there, or deploy with `docker compose --env-file {ours}`",
        pin=True,
    )
