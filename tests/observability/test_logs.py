"""Log lines, and the pipe that brings them to the terminal."""

import io
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.observability.logs import (
    JsonFormatter,
    PipeHandler,
    TextFormatter,
    choose_format,
    configure_logging,
    forward_lines,
    request_id,
)


def make_record(message: str = "POST /predict 200", **extra: object) -> logging.LogRecord:
    """Make a record as a logger makes it."""
    logger = logging.getLogger("vitrine.test")
    return logger.makeRecord(
        "vitrine.test", logging.INFO, "file", 1, message, (), None, extra=extra
    )


@pytest.fixture
def vitrine_logger() -> Iterator[logging.Logger]:
    """The logger of vitrine, restored afterwards."""
    logger = logging.getLogger("vitrine")
    kept = logger.handlers, logger.level, logger.propagate
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers, logger.propagate = kept[0], kept[2]
    logger.setLevel(kept[1])


def test_a_json_line_is_one_object_with_the_request_id_and_fields() -> None:
    """JSON lines hold time, level, logger, message, the request's id and the record's fields."""
    token = request_id.set("abc")
    try:
        line = JsonFormatter().format(make_record("a\nb", fields={"status": 200}))
    finally:
        request_id.reset(token)
    values = json.loads(line)
    assert "\n" not in line
    assert values.pop("time").endswith("+00:00")
    assert values == {
        "level": "info",
        "logger": "vitrine.test",
        "message": "a\nb",
        "request_id": "abc",
        "status": 200,
    }


def test_a_text_line_reads_in_a_terminal() -> None:
    """Text lines hold clock, level and message, and no id outside of a request."""
    line = TextFormatter().format(make_record())
    assert line[2] == line[5] == ":"
    assert line.endswith(" INFO  POST /predict 200")


def test_lines_sent_into_the_pipe_come_out_on_standard_error(
    tmp_path: Path, vitrine_logger: logging.Logger
) -> None:
    """What a replica logs to the pipe stands on this process's standard error."""
    stream = io.StringIO()
    with forward_lines(tmp_path / "log", stream) as pipe:
        configure_logging("text", "info", pipe)
        vitrine_logger.getChild("access").info("hello from afar")
        vitrine_logger.getChild("access").debug("too little to say")
        deadline = time.monotonic() + 5
        while not stream.tell() and time.monotonic() < deadline:
            time.sleep(0.01)
    text = stream.getvalue()
    assert text.endswith("INFO  hello from afar\n")
    assert "too little" not in text


def test_a_stuck_reader_costs_lines_and_no_time(tmp_path: Path) -> None:
    """When the pipe is full, lines are dropped and counted instead of waited for."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    handler = PipeHandler(pipe)
    handler.setFormatter(TextFormatter())
    for _ in range(200):
        handler.emit(make_record("x" * 1000))
    handler.flush()
    os.close(reader)
    handler.close()
    assert 100 < handler.dropped < 200


def test_a_warning_leaves_at_once_with_all_before_it(tmp_path: Path) -> None:
    """Lines gather for a moment; a warning does not wait, and the order stays."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    handler = PipeHandler(pipe)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.emit(make_record("one"))
    warning = make_record("two")
    warning.levelno = logging.WARNING
    handler.emit(warning)
    assert os.read(reader, 100) == b"one\ntwo\n"
    handler.emit(make_record("three"))
    time.sleep(0.5)
    assert os.read(reader, 100) == b"three\n"
    handler.close()
    os.close(reader)


def test_a_closed_handler_touches_no_file_of_others(tmp_path: Path) -> None:
    """Closed and used again, as by `dictConfig`, it leaves alone whoever has its number now."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    with pipe.open("r+b", buffering=0):
        handler = PipeHandler(pipe)
        handler.setFormatter(TextFormatter())
        handler.close()
        with (tmp_path / "other").open("w+b", buffering=0) as other:
            handler.emit(make_record("too late"))
            handler.close()
            assert other.read() == b""
            assert other.write(b"its own") == len(b"its own")
    assert handler.dropped == 1


@pytest.mark.parametrize(
    ("wanted", "is_terminal", "chosen"),
    [
        ("auto", True, "text"),
        ("auto", False, "json"),
        ("json", True, "json"),
        ("text", False, "text"),
    ],
)
def test_auto_is_text_in_a_terminal_and_json_elsewhere(
    wanted: str, chosen: str, *, is_terminal: bool
) -> None:
    """A format that is asked for is kept; auto looks for a terminal."""
    assert choose_format(wanted, is_terminal=is_terminal) == chosen  # type: ignore[arg-type]
