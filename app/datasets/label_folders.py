"""Folders of images whose names are labels, split into parts or not."""

import logging
import os
from collections.abc import Iterator

from app.datasets.names import clean_name
from app.datasets.sample import Sample
from app.datasets.storage import Storage
from app.datasets.walk import has_suffix, walk_files
from app.errors import DatasetError

TRAIN, HELD_OUT = "train", "held out"
"""The parts of a dataset."""

TRAIN_FOLDER = "train"
"""Name of the folder to train on, in any case, as is that of the one below."""

HELD_OUT_FOLDERS = ("val", "validation", "valid", "test", "holdout")
"""Names of the folder that is held out; the first that is there."""

_logger = logging.getLogger("vitrine.datasets")


class LabelFolders:
    """A folder of `train/LABEL/*` and a held-out folder beside it, or of `LABEL/*`.

    Args:
        storage: where it is.
        folder: its path.
        skip_empty: whether a label may have no image; in the held-out folder it always may.
    """

    def __init__(self, storage: Storage, folder: str, *, skip_empty: bool) -> None:
        self._storage = storage
        self._folder = folder
        self._skip_empty = skip_empty

    def list_parts(self) -> dict[str, Iterator[Sample]]:
        """List the parts: TRAIN alone where the folder is not split; raises OSError.

        The samples raise DatasetError where a folder has no labels, or a label no image.
        """
        names = {_get_name(one): one for one in self._storage.list_folder(self._folder).folders}
        folders = {name.lower(): path for name, path in names.items()} | names
        train = folders.get(TRAIN_FOLDER)
        held_out = next((folders[one] for one in HELD_OUT_FOLDERS if one in folders), None)
        if train is None or not (held_out or self._storage.list_folder(train).folders):
            return {TRAIN: self._find(self._folder, skip_empty=self._skip_empty)}  # or its label
        parts = {TRAIN: self._find(train, skip_empty=self._skip_empty)}
        if held_out:
            parts[HELD_OUT] = self._find(held_out, skip_empty=True)
        return parts

    def _find(self, folder: str, *, skip_empty: bool) -> Iterator[Sample]:
        """Find the samples of a part, label by label."""
        listing = self._storage.list_folder(folder)
        shown = self._storage.show(folder)
        if not listing.folders:
            raise DatasetError(f"{shown} has no folders; each is to hold the images of one label.")
        if loose := sum(map(has_suffix, listing.files)):
            _logger.warning("%d images right in %s have no label and are left out", loose, shown)
        for one in listing.folders:
            found = self._find_label(one)
            first = next(found, None)
            if first is not None:
                yield first
                yield from found
            elif not skip_empty:
                label = clean_name(_get_name(one))[:100]
                message = f"the label {label!r} of {shown} has no image"
                raise DatasetError(f"{message}. Add images of it, or remove its folder.")

    def _find_label(self, folder: str) -> Iterator[Sample]:
        """Find the samples of a label."""
        storage, label = self._storage, clean_name(_get_name(folder))
        for path in walk_files(storage, folder):
            if has_suffix(path):
                yield Sample(storage.show(path), storage.make_uri(path), label=label)


def _get_name(path: str) -> str:
    """Get the last part of a path."""
    return os.path.basename(path)  # noqa: PTH119 - it may be of a URI
