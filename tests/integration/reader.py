"""
A notebook that asks without pause: run as `python reader.py DATA FOLDER NAME`.

Before each round it reads from FOLDER/expected which run must be visible by then; it writes into FOLDER/NAME.seen the
newest run it saw, and stops with an error at the first answer that is older, or not consistent in itself. It ends when
FOLDER/stop is there, and says how many rounds it made.
"""

from __future__ import annotations

import sys
from pathlib import Path

from imglab.data import open_store
from imglab.store import Store

CONSISTENT = """
    select
        (select max(run_id) from loaded_run),
        (select max(run_id) from journal.run),
        (select count(*) from tag_image anti join tag_interval using (repository, tag, valid_from)),
        (select count(*) from image_layer anti join image using (manifest_digest)),
"""


def main(data: Path, folder: Path, name: str) -> None:
    """Ask until told to stop."""
    rounds, seen = 0, ""
    with open_store(data) as store:
        while not (folder / "stop").exists():
            newest = one_round(store, (folder / "expected").read_text())
            if newest != seen:
                replace(folder / f"{name}.seen", newest)
                seen = newest
            rounds += 1
    print(rounds)


def one_round(store: Store, expected: str) -> str:
    """The newest run; raises if it is older than *expected* or if the marts do not fit together."""
    newest, told, *orphans = store.sql(CONSISTENT).row(0)
    if newest < expected or newest != told or any(orphans):
        raise SystemExit(f"expected {expected}, found {newest}, {told}, {orphans}")
    if store.query("runs").is_empty():
        raise SystemExit("no run is listed")
    return str(newest)


def replace(path: Path, text: str) -> None:
    """Write *path* so that nobody reads half of it."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
