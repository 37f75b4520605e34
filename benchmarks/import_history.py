"""
Import of whole document histories, beside what git alone needs to list and print the same documents.

Usage: python benchmarks/import_history.py [FOLDER [SOURCE [COPIES]]]

FOLDER holds the bundles of real histories (default: $IMGLAB_REAL_DATA), SOURCE is one of those below (default: each).
With COPIES a larger history is made first, in which every document stands that many times under other names and with
other digests: generated data, and shown as such.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Measured, measured, show
from multiplied import main as multiply

LOG = ("log", "--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", "--reverse", "--format=%H %ct")
BUNDLES = {
    "official-images": "official-images.bundle",
    "docs-readme": "docs-readme.bundle",
    "tags-history": "chainguard-tags-history.bundle",
    "repo-info": "repo-info.bundle",
}


def main() -> None:
    """A table for each source."""
    folder = Path(sys.argv[1] if sys.argv[1:] else os.environ.get("IMGLAB_REAL_DATA", "."))
    copies = int(sys.argv[3]) if sys.argv[3:] else 0
    for source in sys.argv[2:3] or BUNDLES:
        bundle = folder / BUNDLES[source]
        if not bundle.is_file():
            raise SystemExit(f"{bundle} is no file: give the folder of the bundles, or set IMGLAB_REAL_DATA to it")
        with tempfile.TemporaryDirectory() as scratch:
            table(source, bundle, copies, Path(scratch))


def table(source: str, bundle: Path, copies: int, scratch: Path) -> None:
    """Import twice, then print the table."""
    clone = scratch / "clone.git"
    if copies:
        multiply(bundle, copies, clone)
    else:
        subprocess.run(["git", "clone", "--quiet", "--bare", bundle, clone], check=True)
    git, documents, size = by_git(clone)
    command = [sys.executable, "-m", "imglab.cli", "--data", scratch / "data", "--quiet", "import", source, clone]
    first = measured("imglab import, first", command).counting(documents)
    second = measured("imglab import, nothing new", command).counting(documents)
    made = f", generated from it ({copies} copies)" if copies else ""
    print(f"\n{bundle.name}{made}: {documents:,} documents, {size / 1e6:,.0f} MB")
    show([git, first, second], "documents", beside=git)


def by_git(clone: Path) -> tuple[Measured, int, int]:
    """`git log --raw` and `git cat-file --batch` of every document in it, added up; their number and bytes."""
    log = measured("git log --raw", ["git", "-C", clone, *LOG])
    blobs = [line.split()[3] for line in log.out.splitlines() if line.startswith(":")]
    present = [blob for blob in blobs if set(blob) != {"0"}]
    wanted = clone / "wanted"
    wanted.write_text("\n".join(present) + "\n")
    shell = f"git -C '{clone}' cat-file --batch <'{wanted}' | wc -c"
    printed = measured("git cat-file", ["sh", "-c", shell])
    seconds, spent = log.seconds + printed.seconds, log.processor_seconds + printed.processor_seconds
    peak = max(log.peak_bytes, printed.peak_bytes)
    name = "git log --raw, cat-file --batch"
    return Measured(name, seconds, peak, len(present), "", spent), len(present), int(printed.out)


if __name__ == "__main__":
    main()
