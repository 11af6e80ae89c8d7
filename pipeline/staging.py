"""What `--fresh` makes beside the old work, which goes only once the new run really begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from flow.atomic import sync_folder


class Staging:
    """A hidden folder in a work folder, for what a new run makes before it takes the old's place.

    So whatever refuses the new run, or kills it, the old one is still there, whole.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = root / ".fresh"
        self.active = False

    def start(self) -> None:
        """Make the folder, without what a killed process left in it."""
        self.drop()
        self.folder.mkdir()
        self.active = True

    def adopt(self, first: str) -> None:
        """Give all that was made its place in the work folder, the file named `first` first.

        The folder's own files of these names are replaced; folders of these names must be gone.
        """
        for path in sorted(self.folder.iterdir(), key=lambda path: (path.name != first, path)):
            path.replace(self._root / path.name)
            sync_folder(self._root)
        self.drop()

    def drop(self) -> None:
        """Remove the folder, with all that is in it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.active = False

    def old_bytes(self) -> int:
        """What the old work takes on the disk, which is free again once it is gone."""
        if not self.active:
            return 0
        files = (path for path in self._root.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files if self.folder not in path.parents)
