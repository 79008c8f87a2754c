"""What `make chaos` runs."""

from bench.chaos.__main__ import list_scenarios


def test_each_flood_is_run_on_both_servers() -> None:
    """Every promise has a scenario, and floods have one for the peer."""
    names = list(list_scenarios())
    assert [name for name in names if f"{name}, LitServe" in names] == names[:10:2]
    assert len(names) == 19
