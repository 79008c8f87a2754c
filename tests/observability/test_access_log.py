"""The lines of slow calls."""

import math

from app.observability.call_record import MAX_IMAGES, CallOutcome, CallRecord
from app.observability.call_recorder import CallRecorder
from app.observability.stages import READ, WAIT, ImageStages
from tests.support.log_lines import collect_lines


def make_image(began: float, *, ended: float | None) -> ImageStages:
    """Make an image that was read in 100 ms, and then waited to its end."""
    image = ImageStages(READ)
    image.began, image.ended = [(READ, began), (WAIT, began + 0.1)], ended
    return image


def log_call(slow_s: float, *images: ImageStages, took_s: float = 2.0) -> dict[str, object]:
    """Log a call that began 2 s ago, or so; gives its line."""
    recorder = CallRecorder(slow_s)
    call = recorder.begin("/predict")
    call.started -= took_s
    for image in images:
        shift = call.started
        image.began = [(name, at + shift) for name, at in image.began]
        image.ended = None if image.ended is None else image.ended + shift
        call.images.append(image)
        call.count += 1
    with collect_lines() as lines:
        recorder.end(call, CallOutcome("POST", "/predict", "/predict", 200))
    (line,) = lines
    return line


def read_stages(line: dict[str, object]) -> dict[str, float]:
    """Read the stages of a line, rounded to 10 ms."""
    slow = line["slow"]
    assert isinstance(slow, dict)
    return {name: round(value, -1) for name, value in slow.items()}


def test_a_slow_line_tells_the_stages() -> None:
    """In order, as fields and in the message."""
    line = log_call(1.0, make_image(0.2, ended=1.5))
    expected = {"receive_ms": 200, "read_ms": 100, "wait_ms": 1200, "answer_ms": 500}
    assert read_stages(line) == expected
    assert str(line["message"]).startswith("POST /predict 200 200")
    assert "(receive 200, read 100, wait 1200, answer 50" in str(line["message"])


def test_a_fast_line_and_a_line_of_a_service_that_wants_none_have_no_stages() -> None:
    """Up to the limit; `inf` is never reached."""
    assert "slow" not in log_call(3.0, make_image(0.2, ended=1.5))
    assert "slow" not in log_call(math.inf, make_image(0.2, ended=1.5))


def test_of_several_images_the_slowest_is_told() -> None:
    """With how many there were."""
    line = log_call(1.0, make_image(0.2, ended=0.4), make_image(0.3, ended=1.9))
    stages = read_stages(line)
    assert (stages["images"], stages["wait_ms"]) == (round(2, -1), 1500)


def test_an_image_that_was_cut_off_is_told_to_the_end() -> None:
    """There is no answer then."""
    stages = read_stages(log_call(1.0, make_image(0.2, ended=None)))
    assert list(stages) == ["receive_ms", "read_ms", "wait_ms"]
    assert stages["wait_ms"] == 1700


def test_a_slow_call_without_an_image_tells_that_it_received() -> None:
    """As a body that never came."""
    assert read_stages(log_call(1.0)) == {"receive_ms": 2000}


def test_the_stages_of_few_images_are_kept() -> None:
    """A stream may have any number."""
    call = CallRecord()
    for _ in range(MAX_IMAGES + 10):
        call.begin_image(READ)
    assert (len(call.images), call.count) == (MAX_IMAGES, MAX_IMAGES + 10)
