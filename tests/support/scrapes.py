"""What a page of metrics says, read by Prometheus' own parsers."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.support.plain_http import get

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"

Labels = frozenset[tuple[str, str]]
Page = dict[str, dict[Labels, float]]
"""Values of samples, by name and labels."""


def read_page(text: str, *, is_open: bool = False) -> Page:
    """Read a page; each series may be there once."""
    parse = parse_open if is_open else parse_text
    page: Page = {}
    for family in parse(text):
        for sample in family.samples:
            series = page.setdefault(sample.name, {})
            labels = frozenset(sample.labels.items())
            assert labels not in series, sample
            series[labels] = sample.value
    return page


def scrape(url: str, headers: dict[str, str] | None = None) -> Page:
    """Scrape a service."""
    response = get(f"{url}/metrics", headers=headers)
    assert response.status_code == 200, response.text
    return read_page(response.text)


def add_up(page: Page, name: str, **labels: str) -> float:
    """Add up the series of a name that have these labels, of all replicas."""
    wanted = labels.items()
    return sum(value for found, value in page.get(name, {}).items() if wanted <= set(found))
