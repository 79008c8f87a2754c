"""Run ``python -m bench.doors``: what each door costs, beside `/predict` of the same service.

Alternating rounds on one running service with the bundled digits; medians and their ratios.
Prints a table; the last line of stdout is one JSON document, which is also kept in bench/results.
"""

import asyncio
import base64
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from bench.chaos.rows import name_vitrine
from bench.connections import Address, Pool
from bench.images import BOUNDARY, Picture, make_picture
from bench.lifecycle import run_server
from bench.machine import describe_machine
from bench.report import save
from bench.summary import Document

ROUNDS, SECONDS = 5, 3.0
MANY = 32
FORM = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
Make = Callable[[Picture], tuple[str, str, bytes]]
"""Makes the path, the Content-Type and the body that send a picture."""


def make_form(picture: Picture) -> tuple[str, str, bytes]:
    """Send a form."""
    return "/predict", FORM, picture.body()


def make_raw(picture: Picture) -> tuple[str, str, bytes]:
    """Send the bytes."""
    return "/predict/raw", picture.media_type, picture.content


def make_json(picture: Picture) -> tuple[str, str, bytes]:
    """Send base64."""
    body = json.dumps({"image": base64.b64encode(picture.content).decode()})
    return "/predict/json", JSON, body.encode()


def make_task(picture: Picture) -> tuple[str, str, bytes]:
    """Send bytes as Hugging Face's client does."""
    return "/hf", picture.media_type, picture.content


def make_bulk(picture: Picture) -> tuple[str, str, bytes]:
    """Send many in one form."""
    end = f"--{BOUNDARY}--\r\n".encode()
    part = picture.body().removesuffix(end).replace(b'name="file"', b'name="files"', 1)
    return "/predict/batch", FORM, MANY * part + end


CELLS: dict[str, tuple[Make, int, int]] = {
    "form, 16 connections": (make_form, 16, 1),
    "raw, 16 connections": (make_raw, 16, 1),
    "JSON, 16 connections": (make_json, 16, 1),
    "/hf, 16 connections": (make_task, 16, 1),
    "form, 1 connection": (make_form, 1, 1),
    f"bulk of {MANY}, 1 connection": (make_bulk, 1, MANY),
}
"""What makes the request, over how many connections, and images in each."""


def prepare(url: str, make: Make, picture: Picture) -> Address:
    """Prepare the request of a door."""
    target = urlsplit(url)
    path, content_type, body = make(picture)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Address(target.hostname or "", target.port or 80, head.encode() + body)


async def measure(address: Address, connections: int) -> float:
    """Keep so many connections busy; return good answers a second."""
    pool, good = Pool(address, connections), 0
    end = time.perf_counter() + SECONDS

    async def ask_again_and_again() -> None:
        nonlocal good
        while time.perf_counter() < end:
            status = await pool.ask()
            good += status == HTTPStatus.OK

    started = time.perf_counter()
    await asyncio.gather(*(ask_again_and_again() for _ in range(connections)))
    pool.close()
    return good / (time.perf_counter() - started)


def run_rounds(url: str, picture: Picture) -> dict[str, list[float]]:
    """Measure every cell in alternating rounds; images a second, the first round left out."""
    rates: dict[str, list[float]] = {name: [] for name in CELLS}
    for number in range(1 + ROUNDS):
        names = list(CELLS)[:: 1 if number % 2 else -1]
        for name in names:
            make, connections, images = CELLS[name]
            rate = images * asyncio.run(measure(prepare(url, make, picture), connections))
            if number:
                rates[name].append(round(rate, 1))
    return rates


def summarize(rates: dict[str, list[float]]) -> dict[str, Document]:
    """Return medians, and ratios to the form over as many connections: medians over the rounds."""
    rows: dict[str, Document] = {}
    for name, each in rates.items():
        base = rates[f"form, {name.split(', ')[1]}"]
        ratios = [mine / other for mine, other in zip(each, base, strict=True)]
        rows[name] = {
            "images_per_s": statistics.median(each),
            "over_form": round(statistics.median(ratios), 2),
            "spread": [round(min(ratios), 2), round(max(ratios), 2)],
            "rounds": each,
        }
    return rows


def main() -> None:
    """Measure, print the table, and keep the document."""
    document: Document = {
        "benchmark": "doors",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "images": {},
    }
    with run_server(name_vitrine(), make_picture("png")) as running:
        for image in ("png", "jpeg"):
            rows = summarize(run_rounds(running.server.url, make_picture(image)))
            document["images"][image] = rows
            for name, row in rows.items():
                spread = "{} to {}".format(*row["spread"])
                figures = f"{row['images_per_s']:8.1f} images/s, {row['over_form']:5.2f} x the form"
                print(f"{image:<5} {name:<24} {figures} ({spread})", flush=True)
    save(document, "doors")


if __name__ == "__main__":
    main()
