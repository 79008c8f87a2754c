"""Scrapes of a service under load: what each replica has counted."""

from collections import Counter
from threading import Event, Thread
from typing import Self

from tests.support.scrapes import Page, scrape

SCRAPE_EVERY_S = 0.5

Counts = Counter[tuple[str, str]]
"""How many requests there were, by route and status."""


def read_requests(page: Page) -> dict[str, Counts]:
    """Read how many requests each ingress replica has counted."""
    found: dict[str, Counts] = {}
    for labels, value in page.get("vitrine_requests_total", {}).items():
        named = dict(labels)
        counts = found.setdefault(named["replica"], Counts())
        counts[named["route"], named["status"]] += round(value)
    return found


def add_up(counted: dict[str, Counts]) -> Counts:
    """Add up the counts of replicas."""
    return sum(counted.values(), Counts())


class Watch:
    """Scrapes a service all the time: what each replica counted last, and which fell."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_over = Event()
        self._thread = Thread(target=self._run)
        self.last: dict[str, Counts] = {}
        self.fell: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Scrape once more, and end."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        """Scrape until it is over."""
        while not self._is_over.wait(SCRAPE_EVERY_S):
            self.look()

    def look(self) -> None:
        """Scrape once."""
        for replica, counts in read_requests(scrape(self._url)).items():
            if self.last.get(replica, Counts()) - counts:
                self.fell.append(replica)
            self.last[replica] = counts
