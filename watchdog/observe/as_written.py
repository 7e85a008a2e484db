"""What the Compose files say of what was deployed from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from watchdog.facts.problem import Problem
from watchdog.observe.labelled import (
    FILES,
    FOLDER,
    SERVICE,
    Labels,
)
from watchdog.observe.obstacles import (
    Model,
    awaited,
    compose_files,
)
from watchdog.observe.referee import Deployed as HowDeployed
from watchdog.observe.referee import Referee


class AsWritten:
    """The files that containers say they came from, and what Compose makes of them."""

    def __init__(
        self, referee: Referee | None, *, services: tuple[str, ...], folder: Path
    ) -> None:
        self._referee = referee
        self._services = services
        self._folder = folder

    def models_of(
        self, containers: list[dict[str, Any]], *, filled_in: bool
    ) -> tuple[Model, ...] | None:
        """Ask Compose how it reads what the services came from; None: nobody can say.

        What it cannot read is said where a target is held against it.
        """
        labels = [c["Config"].get("Labels") or {} for c in containers]
        return self._models_by(labels, filled_in=filled_in)

    def _models_by(
        self, labels: Sequence[Labels], *, filled_in: bool
    ) -> tuple[Model, ...] | None:
        if self._referee is None:
            return None
        deployed = dict.fromkeys(
            HowDeployed.of(one) for one in labels if one.get(SERVICE) in self._services
        )
        try:
            return tuple(
                self._referee.reads(one, filled_in=filled_in) for one in deployed
            )
        except Problem:
            return None

    def awaited(self, labels: Sequence[Labels]) -> set[str]:
        """Name the jobs that the files await which containers of *labels* are from."""
        models = self._models_by(labels, filled_in=False)
        return {name for model in models or () for name in awaited(model)}

    def files_of(self, containers: list[dict[str, Any]]) -> dict[str, str]:
        """Read the Compose files that the services among *containers* came from."""
        files: dict[str, str] = {}
        for labels in (c["Config"].get("Labels") or {} for c in containers):
            if labels.get(SERVICE) in self._services:
                there = str(labels.get(FOLDER, "/"))
                files |= compose_files(self._folder, there, labels.get(FILES, ""))
        return files
