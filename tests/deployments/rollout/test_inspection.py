"""What is made of the nodes' answers."""

from app.deployments.rollout.inspection import give_reason


def test_the_reason_is_the_last_line_of_an_error() -> None:
    """An error without a word has its type."""
    assert give_reason(RuntimeError("one\n two \n")) == "two"
    assert give_reason(RuntimeError("\n")) == "RuntimeError"
