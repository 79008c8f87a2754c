"""Groups of many bytes on their way to the classifier."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.support.checkpoints import LABELS, save_wide_vit
from tests.support.service import start_service
from tests.support.uploads import encode_grey, make_upload

SIDE = 640
IMAGES = 48
"""A batch of eight has 10 MB; Serve lets 4 MB through of itself."""


def test_a_full_group_of_large_pixels_arrives(tmp_path: Path) -> None:
    """Whatever a group weighs, its images are answered."""
    model = save_wide_vit(tmp_path / "model", SIDE)
    image = encode_grey(100, (64, 64))
    with start_service(tmp_path, model=str(model), batch_size="8") as wide:
        wide.wait_until_ready()
        with httpx.Client(timeout=60) as client, ThreadPoolExecutor(IMAGES) as pool:

            def predict(_number: int) -> httpx.Response:
                return client.send(make_upload(image, url=wide.url))

            answers = list(pool.map(predict, range(IMAGES)))
        assert [answer.status_code for answer in answers] == [200] * IMAGES, wide.read_log()
        labels = {answer.json()["predictions"][0]["label"] for answer in answers}
        assert len(labels) == 1
        assert labels < set(LABELS)
        wide.assert_stops()
