"""Programs for the maintainers; none is part of the wheel."""
