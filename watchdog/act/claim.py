"""Claims on a stack: a container that is never started, or a lock in a work tree.

A container's name is the engine's to give, once: whoever makes the one of that name
has the stack, of any number that try at the same time.
"""

import fcntl
import os
import re
import time
from pathlib import Path
from typing import Any

from watchdog.act.keeper import BY, PROJECT, never_started
from watchdog.facts.claim import Claim
from watchdog.facts.problem import EngineRefused
from watchdog.outside.engine import Engine

CLAIMS = "io.flexli.watchdog.claims"
_COMPOSE = "com.docker.compose.project"
_ASIDE = re.compile(r"\.rb-(old-|back-)?[0-9a-f]{12}$")
_LOCK = "rollback-watchdog.lock"


class OnEngine:
    """The claim on a Compose project, on the engine that runs it.

    Labels never change, so a renewal counts in what a container that is never started
    has no other use for: how often it would be started again.
    """

    def __init__(self, engine: Engine, project: str, identity: str) -> None:
        self._engine = engine
        self._project = project
        self._identity = identity
        self._name = f"{project}-watchdog-claim"
        self._before: set[str] | None = None

    def look(self) -> Claim | None:
        """See whose claim there is."""
        found = self._engine.container(self._name)
        if found is None:
            return None
        stranger = self._stranger()
        if stranger is not None:
            return stranger
        labels = (found.get("Config") or {}).get("Labels") or {}
        ours = labels.get(CLAIMS) == self._project
        again = (found.get("HostConfig") or {}).get("RestartPolicy") or {}
        return Claim(
            id=str(found["Id"]),
            by=str(labels.get(BY, "")) if ours else "",
            count=int(again.get("MaximumRetryCount") or 0),
            where=f"by the container {self._name} on the engine",
            cure=f"`docker rm {self._name}`",
        )

    def _stranger(self) -> Claim | None:
        """Find a watchdog of an earlier build at work: it claims nothing, but holds.

        What such a one left before we looked first tells nothing; it may be our own.
        """
        here = {
            str(one["Id"]): str(one["Names"][0]).lstrip("/")
            for one in self._engine.containers({PROJECT: self._project})
            if BY not in (one.get("Labels") or {})
        }
        self._before = set(here) if self._before is None else self._before
        new = sorted(set(here) - self._before)
        if not new:
            return None
        where, cure = f"it made {here[new[0]]}", f"`docker rm {here[new[0]]}`"
        # Whether it is still there cannot be seen: never over by itself.
        return Claim(new[0], "of an earlier build", time.monotonic_ns(), where, cure)

    def at_work(self) -> str:
        """Find what a rollback put aside: no end of one leaves it."""
        listed = self._engine.containers({_COMPOSE: self._project})
        names = [str(one["Names"][0]).lstrip("/") for one in listed]
        aside = [name for name in names if _ASIDE.search(name)]
        return f"who made {aside[0]}" if aside else ""

    def take(self) -> None:
        """Make the container of that name, unless it is there."""
        said = EngineRefused(f"nothing of {self._project} is on the engine")
        for image in self._images():
            labels = {CLAIMS: self._project, BY: self._identity}
            body = never_started(image, str(image["Id"]), labels)
            try:
                self._engine.create(self._name, body, {})
            except EngineRefused as refused:
                said = refused
                if self._engine.container(self._name) is not None:
                    break
            else:
                return
        raise said

    def renew(self, claim: Claim) -> Claim | None:
        """Count one on; made anew where its image is none of what is here any more."""
        image = (self._engine.container(claim.id) or {}).get("Image")
        if image in [found["Id"] for found in self._images()]:
            again = {"Name": "on-failure", "MaximumRetryCount": claim.count + 1}
            self._engine.set_restart(claim.id, again)
        else:
            self.clear(claim)
            self.take()
        return self.look()

    def clear(self, claim: Claim) -> None:
        """Remove that very container."""
        self._engine.remove(claim.id)

    def _images(self) -> list[dict[str, Any]]:
        """Give the images of what is here of the stack; any will do to claim it by."""
        listed = self._engine.containers({_COMPOSE: self._project})
        listed = listed or self._engine.containers({PROJECT: self._project})
        ids = dict.fromkeys(str(one["ImageID"]) for one in listed)
        return [image for id_ in ids if (image := self._engine.image(id_))]


class InWorkTree:
    """The claim on a work tree: a lock that ends with the process which has it."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / _LOCK
        self._identity = identity
        self._held = -1

    def look(self) -> Claim | None:
        """See who has the lock."""
        if self._held >= 0:
            return self._claim(self._identity, 0)
        handle = self._opened()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = os.pread(handle, 64, 0).decode("ascii", "replace").strip()
            # Its process lives, which is as good as a renewal at each look.
            return self._claim(by or "unknown", time.monotonic_ns())
        finally:
            os.close(handle)
        return None

    def at_work(self) -> str:
        """Say nothing: a lock that is gone was its process's, which is gone too."""
        return ""

    def take(self) -> None:
        """Have the lock for as long as this process lives."""
        handle = self._opened()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise EngineRefused(f"another has the lock {self._path}") from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{self._identity}\n".encode(), 0)
        self._held = handle

    def renew(self, claim: Claim) -> Claim | None:
        """Do nothing: the lock is there as long as we are."""
        return claim

    def clear(self, claim: Claim) -> None:
        """Do nothing: the lock of a process that is gone is gone too."""

    def _claim(self, by: str, count: int) -> Claim:
        where, cure = f"by the lock {self._path}", "stop its process"
        return Claim(str(self._path), by, count, where, cure)

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EngineRefused(
                f"{self._path} cannot be written: {error.strerror}",
                "the watchdog's user must own the work tree",
            ) from error
