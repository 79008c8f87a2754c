"""The stages of an image."""

from app.observability.stages import BATCH, READ, WAIT, ImageStages, list_stages


def make_image(ended: float | None, inference_s: float) -> ImageStages:
    """Make an image that was read in 1 s, waited 2 s and was then sent."""
    image = ImageStages(READ)
    image.began = [(READ, 10.0), (WAIT, 11.0), (BATCH, 13.0)]
    image.ended, image.inference_s = ended, inference_s
    return image


def test_inference_is_the_end_of_the_batch() -> None:
    """So the stages add up to the time of the image."""
    stages = list_stages(make_image(20.0, 3.0), 99.0)
    spans = [(one.name, one.began, one.ended) for one in stages]
    assert spans == [
        ("read", 10.0, 11.0),
        ("wait", 11.0, 13.0),
        ("batch", 13.0, 17.0),
        ("inference", 17.0, 20.0),
    ]


def test_a_stage_that_was_cut_off_ends_with_its_call() -> None:
    """As of an image whose deadline has passed."""
    stages = list_stages(make_image(None, 0.0), 15.0)
    assert [one.name for one in stages] == ["read", "wait", "batch"]
    assert stages[-1].ended == 15.0


def test_inference_is_never_longer_than_the_batch() -> None:
    """Clocks of two processes measure them."""
    stages = list_stages(make_image(14.0, 3.0), 99.0)
    assert [(one.began, one.ended) for one in stages[2:]] == [(13.0, 13.0), (13.0, 14.0)]


def test_a_stage_that_goes_on_does_not_begin_again() -> None:
    """An image is read again only after it was sent, where the model has changed."""
    image = ImageStages(READ)
    for name in (READ, WAIT, BATCH, BATCH, READ):
        image.begin(name)
    assert [name for name, _ in image.began] == [READ, WAIT, BATCH, READ]
