"""Where imglab keeps its data, and the sample that comes with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from imglab.errors import StoreEmpty
from imglab.journal import Journal
from imglab.store import Paths, Store, load


def data_folder(given: Path | str | None = None) -> Path:
    """
    The data folder: *given*, else `$IMGLAB_DATA`, else the nearest `data` here or above that holds a journal.

    Where there is none yet it is `data` in the present folder.
    """
    if given or os.environ.get("IMGLAB_DATA"):
        return Path(given or os.environ["IMGLAB_DATA"])
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data" / "journal").is_dir():
            return folder / "data"
    return here / "data"


def open_store(data: Path | str | None = None) -> Store:
    """
    The store of the data folder, kept up with as runs are loaded.

    A store that was deleted is made again from the journal. Raises StoreEmpty if nothing was ever loaded.
    """
    folder = data_folder(data)
    paths = Paths(folder)
    if paths.published() is None:
        if not Journal(paths.journal).run_ids():
            way = "try `imglab demo`, `imglab snapshot REFERENCE` or `imglab import`"
            if paths.journal.is_dir() and any(paths.journal.glob(".*.tmp")):
                way = "a run is under way, or was stopped and has left something: `imglab load` takes that in"
            raise StoreEmpty(f"nothing was ever loaded into {folder.absolute()}: {way}")
        load(folder)
    return Store(folder)


def open_sample() -> Store:
    """
    A store in memory with the sample that comes with imglab: real facts of 2014 to 2026.

    Where tags of python and hello-world pointed, with sizes; and what tags of python and postgres were built from.
    """
    return Store.in_memory(Journal(sample_journal()))


def sample_journal() -> Path:
    """The folder with the sample's journal: inside the installed package, or in the source tree."""
    return _bundled("sample")


def notebooks() -> Path:
    """
    The folder with the notebooks: that of the source tree, or else `notebooks` here.

    Those of the installed package are copied there first; what is there already is left as it is.
    """
    folder = _bundled("notebooks")
    if Path(__file__).parent not in folder.parents:
        return folder
    here = Path("notebooks")
    here.mkdir(exist_ok=True)
    for notebook in folder.glob("*.ipynb"):
        if not (here / notebook.name).exists():
            shutil.copyfile(notebook, here / notebook.name)
    return here


def _bundled(name: str) -> Path:
    package = Path(__file__).parent
    installed = package / "bundled" / name
    source = package.parent / {"sample": "data/sample", "notebooks": "notebooks"}[name]
    return installed if installed.is_dir() else source
