"""What knows how far each part is, and how often it was begun; it runs as an actor of Ray."""

from collections import Counter

from app.scoring.progress import Progress


class Board:
    """Counts of the parts that this run scores; a part that is begun again starts at 0."""

    def __init__(self) -> None:
        self._parts: dict[int, Progress] = {}
        self._begun: Counter[int] = Counter()

    def begin(self, part: int) -> int:
        """Note that a part is begun; gives how often it was."""
        self._begun[part] += 1
        return self._begun[part]

    def note(self, part: int, images: int, problems: int) -> None:
        """Note how far a part is."""
        self._parts[part] = Progress(images, problems)

    def read(self) -> Progress:
        """Read the sums over all parts."""
        images = sum(one.images for one in self._parts.values())
        return Progress(images, sum(one.problems for one in self._parts.values()))
