"""A git repository that grows by a commit a day, without anybody's settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


def git(folder: Path, *words: str, at: datetime = NOON) -> str:
    """What git says in *folder*, with the clock at *at*."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    when = {"GIT_AUTHOR_DATE": at.isoformat(), "GIT_COMMITTER_DATE": at.isoformat()}
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main", *words]
    environment = os.environ | settings | when
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


class Clone:
    """The repository in *folder*, which it makes."""

    def __init__(self, folder: Path, start: datetime = NOON) -> None:
        self.folder = folder
        self._start = start
        self._days = 0
        folder.mkdir()
        git(folder, "init", "-q")

    def commit(self, files: Mapping[str, bytes | None], at: datetime | None = None) -> str:
        """A commit of *files* (None removes) at *at*, by default a day after the last; its id."""
        for name, body in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if body is None:
                path.unlink()
            else:
                path.write_bytes(body)
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "-m", "x", at=at or self._start + timedelta(days=self._days))
        self._days += 1
        return git(self.folder, "rev-parse", "HEAD").strip()
