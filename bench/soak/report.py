"""The document of the soak, its verdict and its tables for people. Knows no process and no load."""

from bench.compare.summary import Document
from bench.kit.processes import Process
from bench.soak.growth import measure_growth
from bench.soak.load import Tally
from bench.soak.rest import Counts, Rest
from bench.soak.watch import COUNTED, Point

REPLACEABLE = {"reading process", "HAProxy"}
"""Roles whose processes the service replaces itself: it is told, and no failure."""


def describe_process(points: list[Point], last: int) -> Document:
    """Return the series of one process, and how it grew."""
    points = sorted(points, key=lambda point: point[0])  # two samples may be taken at once
    requests = [number for number, _ in points]
    memory = [sample.memory_mb for _, sample in points]
    growth = measure_growth(requests, memory)
    return {
        "role": points[0][1].role,
        "requests": requests,
        "memory_mb": memory,
        "pss_mb": [sample.pss_mb for _, sample in points],
        "growth": growth and growth.as_dict(),
        "began_later": requests[0] > 0,
        "ended_early": requests[-1] < last,
    }


def describe_processes(series: dict[Process, list[Point]]) -> list[Document]:
    """Return every process, by role."""
    last = max(number for points in series.values() for number, _ in points)
    found = [describe_process(points, last) for points in series.values()]
    return sorted(found, key=lambda process: (process["role"], process["requests"][0]))


def describe_tally(tally: Tally) -> Document:
    """Return what was answered."""
    answers: Document = {}
    for (kind, status), count in sorted(tally.answers.items()):
        answers.setdefault(kind, {})[status] = count
    return {
        "answers": answers,
        "wrong": tally.wrong,
        "wrong_count": tally.wrong_count,
        "sent_again": tally.again,
        "longest_s": round(tally.longest_s, 2),
        "longest": tally.longest,
    }


def list_growing(processes: list[Document]) -> list[str]:
    """List the processes that grow, and those that should not have been replaced."""
    grown = [
        f"{one['role']} grows by {one['growth']['slope']} MB in 10,000 requests"
        for one in processes
        if one["growth"] and not one["growth"]["is_noise"]
    ]
    replaced = [
        f"{one['role']} was replaced"
        for one in processes
        if one["ended_early"] and one["role"] not in REPLACEABLE
    ]
    return grown + replaced


def print_answers(document: Document) -> None:
    """Print a line for each kind of request."""
    print(f"\n{'kind':<32} answers")
    for kind, answers in document["answers"].items():
        print(f"{kind:<32} {', '.join(f'{count} x {name}' for name, count in answers.items())}")
    print(f"longest {document['longest_s']} s: {document['longest']}")
    print(f"sent again on a new connection: {document['sent_again']}")


def print_processes(processes: list[Document]) -> None:
    """Print a line for each process."""
    head = f"{'first':>7} {'last MB':>7} {'MB/10,000':>9} {'95% interval':>18} {'grown MB':>8}"
    print(f"\n{'process':<24} {head}  noise")
    for one in processes:
        line = f"{one['role']:<24} {one['memory_mb'][0]:7.1f} {one['memory_mb'][-1]:7.1f}"
        if growth := one["growth"]:
            interval = f"{growth['low']:.2f} to {growth['high']:.2f}"
            line += f" {growth['slope']:9.2f} {interval:>18} {growth['grown_mb']:8.2f}"
            line += f"  {'yes' if growth['is_noise'] else 'NO'}"
        print(line)


def print_rests(before: Rest, after: Rest) -> None:
    """Print what is held at rest, before and after."""
    counted = " ".join(f"{what:>11}" for what in COUNTED)
    print(f"\n{'at rest, before / after':<24} {'MB':>15} {counted}")
    for role in sorted(before.counts.keys() | after.counts.keys()):
        sides = (before, after)
        memory = " / ".join(f"{side.memory_mb.get(role, 0.0):.1f}" for side in sides)
        counts = [
            " / ".join(str(side.counts.get(role, {}).get(what, 0)) for side in sides)
            for what in COUNTED
        ]
        print(f"{role:<24} {memory:>15}", *(f"{count:>11}" for count in counts))
    print(f"shared memory {before.shared_mb} / {after.shared_mb} MB")
    print(f"temporary files {before.temp_files} / {after.temp_files}")


def print_tasks(before: Counts, after: Counts) -> None:
    """Print how many tasks wait at rest, before and after."""
    for role in sorted(before.keys() | after.keys()):
        sides = (sum(tasks.get(role, {}).values()) for tasks in (before, after))
        print("tasks of the {}: {} / {}".format(role, *sides))
