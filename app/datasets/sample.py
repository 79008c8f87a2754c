"""A sample: an image of a dataset, before it is read."""

from dataclasses import dataclass

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png"}
    | {".tif", ".tiff", ".webp"}
)
"""Names of files that are looked for in folders; a file that is named itself may have any."""

TABLE_SUFFIXES = frozenset({".parquet", ".csv"})


@dataclass(frozen=True, slots=True)
class Sample:
    """An image of a dataset, before it is read.

    Attributes:
        path: what names it to its user, unique in a dataset: a path, a URI, or `FILE#ROW`.
        uri: file or URI that is read: the image, or the table that holds its bytes.
        row: of the table; -1 for a file that is the image.
        label: its label; None where the dataset has none.
    """

    path: str
    uri: str
    row: int = -1
    label: str | None = None
