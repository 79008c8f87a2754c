"""What knows how far each part is, for the line of progress; it runs as an actor of Ray."""

from app.scoring.progress import Progress


class Board:
    """Counts of the parts that this run scores; a part that is begun again starts at 0."""

    def __init__(self) -> None:
        self._parts: dict[int, Progress] = {}

    def note(self, part: int, images: int, problems: int) -> None:
        """Note how far a part is."""
        self._parts[part] = Progress(images, problems)

    def read(self) -> Progress:
        """Read the sums over all parts."""
        images = sum(one.images for one in self._parts.values())
        return Progress(images, sum(one.problems for one in self._parts.values()))
