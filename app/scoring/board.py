"""What knows how far each part is, and what dies too often; it runs as an actor of Ray."""

from app.scoring.progress import Progress

RETRIES = 3
"""Times that processes which score are started anew while no part is done."""


class Board:
    """Counts of the parts that this run scores; a part that is begun again starts at 0.

    Args:
        actors: processes that score at the same time.
    """

    def __init__(self, actors: int) -> None:
        self._parts: dict[int, Progress] = {}
        self._most_starts = self._starts_left = actors + RETRIES

    def start(self) -> bool:
        """Note that a process which scores has started; tells whether it may."""
        self._starts_left -= 1
        return self._starts_left >= 0

    def note(self, part: int, images: int, problems: int) -> None:
        """Note how far a part is."""
        self._parts[part] = Progress(images, problems)

    def finish(self) -> None:
        """Note that a part is done."""
        self._starts_left = self._most_starts

    def read(self) -> Progress:
        """Read the sums over all parts."""
        images = sum(one.images for one in self._parts.values())
        return Progress(images, sum(one.problems for one in self._parts.values()))
