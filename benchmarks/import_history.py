"""
Import of a whole repo-info history, beside what git alone needs to list and print the same documents.

Usage: python benchmarks/import_history.py [BUNDLE]; without it, repo-info.bundle in the folder $IMGLAB_REAL_DATA.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from measure import Measured, measured, show

LOG = ("log", "--raw", "--no-abbrev", "--no-renames", "--reverse", "--format=%H %ct", "--first-parent")


def main() -> None:
    """Import twice, then print the table."""
    bundle = given()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "imglab.cli", "--data", data, "--quiet", "import", "repo-info", bundle]
        git, versions = by_git(bundle, Path(folder) / "clone.git")
        first = measured("imglab import, first", command).counting(versions)
        second = measured("imglab import, nothing new", command).counting(versions)
        show([git, first, second], "documents", beside=git)


def given() -> Path:
    """The bundle to read."""
    beside = Path(os.environ.get("IMGLAB_REAL_DATA", "."), "repo-info.bundle")
    path = Path(sys.argv[1]) if sys.argv[1:] else beside
    if not path.is_file():
        raise SystemExit(f"{path} is no file: give a bundle, or its folder in IMGLAB_REAL_DATA")
    return path


def by_git(bundle: Path, clone: Path) -> tuple[Measured, int]:
    """Clone, `git log --raw` and `git cat-file --batch` of every document in it, added up; and their number."""
    cloned = measured("git clone", ["git", "clone", "--quiet", "--bare", bundle, clone])
    log = measured("git log --raw", ["git", "-C", clone, *LOG])
    blobs = [line.split()[3] for line in log.out.splitlines() if line.startswith(":") and line.endswith(".md")]
    present = [blob for blob in blobs if set(blob) != {"0"}]
    text = "\n".join(present).encode() + b"\n"
    (clone / "wanted").write_bytes(text)
    printed = measured("git cat-file", ["sh", "-c", f"git -C '{clone}' cat-file --batch <'{clone}/wanted' >/dev/null"])
    parts = (cloned, log, printed)
    seconds, spent = sum(part.seconds for part in parts), sum(part.processor_seconds for part in parts)
    peak = max(part.peak_bytes for part in parts)
    name = "git clone, log --raw, cat-file --batch"
    return Measured(name, seconds, peak, len(present), "", spent), len(present)


if __name__ == "__main__":
    main()
