"""A git work tree: looked at, and another commit checked out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from watchdog.facts.problem import Problem
from watchdog.outside.command import Commands

_SHOWN = 3


class Git:
    """The work tree in *folder*, by git's own command line."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        self._commands = commands
        self._folder = folder

    def commit(self, ref: str) -> str:
        """Give the commit that *ref* names; empty when there is none."""
        return self._said("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")

    def tag(self) -> str:
        """Give the tag that HEAD is at; empty when it is at none."""
        return self._said("describe", "--tags", "--exact-match", "HEAD")

    def own(self) -> Path:
        """Give the folder that git keeps for itself in this work tree."""
        return Path(self._said("rev-parse", "--absolute-git-dir"))

    def branch(self) -> str:
        """Give the branch that is checked out; empty when HEAD is detached."""
        return self._said("symbolic-ref", "--quiet", "--short", "HEAD")

    def changes(self) -> str:
        """Name the tracked files that differ from HEAD in words, or nothing.

        Files that git does not know stay where they are, and git itself refuses to
        check out over one.
        """
        words = ("status", "--porcelain", "--untracked-files=no")
        code, said = self._look(words)
        if code:
            raise Problem(f"git cannot tell what changed in {self._folder}: {said}")
        files = [line[3:] for line in said.splitlines()]
        if not files:
            return ""
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        return f"the work tree has changes in {', '.join(files[:_SHOWN])}{more}"

    def moved(self) -> datetime:
        """Tell when HEAD last moved, to the second."""
        stamp = self._said("log", "-g", "-1", "--format=%gd", "--date=unix", "HEAD")
        seconds = stamp.partition("{")[2].rstrip("}")
        if seconds.isdigit():
            return datetime.fromtimestamp(int(seconds), UTC)
        # Without a log of its own, HEAD is a file that is written at each move.
        head = self.own() / "HEAD"
        return datetime.fromtimestamp(int(head.stat().st_mtime), UTC)

    def check_out(self, commit: str, branch: str) -> None:
        """Check *commit* out: as *branch* where that is still there, else detached.

        Git refuses before it touches anything that it would have to overwrite.
        """
        ref = ["--detach", commit]
        if branch and self.commit(f"refs/heads/{branch}") == commit:
            ref = [branch]
        argv = ["git", "checkout", "--quiet", *ref, "--"]
        self._commands.run("checkout", argv, self._folder)

    def _said(self, *words: str) -> str:
        code, said = self._look(words)
        return "" if code else said

    def _look(self, words: Sequence[str]) -> tuple[int, str]:
        # Looking must not take the lock that a person's own git waits for.
        return self._commands.look(["git", "--no-optional-locks", *words], self._folder)
