"""GET /labels, and its entity tag."""

import pytest

from schemas import Labels
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import URL, answer, get, open_client
from tests.support.uploads import encode_grey, make_upload


def test_labels_come_by_id() -> None:
    """Every label of the model is there, with its id, and the model's id and revision."""
    response = answer(get("/labels"))
    labels = Labels.model_validate_json(response.content, strict=True)
    assert (labels.model.id, labels.model.revision) == ("fake", "first")
    assert [(label.id, label.label) for label in labels.labels] == [
        (0, "black"),
        (1, "dark"),
        (2, "grey"),
        (3, "light"),
        (4, "white"),
    ]
    assert response.headers["etag"] == '"first"'


@pytest.mark.parametrize(
    "tag", ['"first"', 'W/"first"', "*", '"other", "first"', '"other","first"']
)
def test_known_labels_are_not_sent_again(tag: str) -> None:
    """Whoever has the labels gets 304, the tag and no body."""
    response = answer(get("/labels", {"If-None-Match": tag}))
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"first"'


@pytest.mark.parametrize("tag", ['"second"', "first", "", '"first'])
def test_unknown_labels_are_sent(tag: str) -> None:
    """A tag that is not the one of now gets the labels."""
    response = answer(get("/labels", {"If-None-Match": tag}))
    assert response.status_code == 200
    assert len(response.json()["labels"]) == 5


async def test_the_tag_changes_with_the_model() -> None:
    """After a prediction by another revision the old tag is out of date."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        tag = (await client.get("/labels")).headers["etag"]
        backend.switch_revision("second")
        await client.send(make_upload(encode_grey(), url=URL))
        response = await client.get("/labels", headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response.headers["etag"] == '"second"'
    assert response.json()["labels"][0] == {"id": 0, "label": "second black"}
