"""What the benchmark's command line asks for."""

from pathlib import Path

import pytest

from bench.compare.options import choose_connections, narrow, parse_options


def test_the_whole_matrix_is_the_default() -> None:
    """Without options every model has its part of the matrix, and the run is named so."""
    options = parse_options([])
    assert (options.models, options.name) == (("digits", "tiny", "base"), "matrix")
    digits, base = narrow(options, "digits"), narrow(options, "base")
    assert digits.images == ("png", "jpeg", "12mp")
    assert digits.servers == ("vitrine", "litserve", "fastapi", "scaled")
    assert (base.images, base.servers) == (("jpeg",), ("vitrine", "litserve", "int8"))
    assert [choose_connections(base, image) for image in ("jpeg", "12mp")] == [(1, 16, 64), (16,)]


def test_what_the_command_line_names_holds_for_every_model() -> None:
    """Images, servers and connections that are named replace those of the matrix."""
    options = parse_options(["--images", "png,12mp", "--servers", "int8", "--concurrency", "2"])
    for model in ("digits", "a-folder-of-their-own"):
        part = narrow(options, model)
        assert (part.images, part.servers) == (("png", "12mp"), ("int8",))
        assert choose_connections(part, "12mp") == (2,)


def test_quick_is_one_cell_and_what_is_said_beside_it_counts() -> None:
    """The smallest cell, without the open loop; a word beside it changes that one thing."""
    quick = parse_options(["--quick"])
    assert (quick.models, quick.images, quick.concurrency) == (("digits",), ("png",), (16,))
    assert (quick.servers, quick.rounds, quick.open_seconds) == (("vitrine", "litserve"), 1, 0)
    assert quick.name == "quick"
    assert parse_options(["--quick", "--rounds", "2"]).rounds == 2


def test_a_part_is_not_named_as_the_whole() -> None:
    """A run that leaves something out does not overwrite the matrix, unless it is named so."""
    assert parse_options(["--models", "digits"]).name == "part"
    assert parse_options(["--servers", "vitrine", "--name", "alone"]).name == "alone"


def test_variants_and_folders_are_added() -> None:
    """Each --setting is one more Vitrine, each --model one more checkpoint."""
    words = ["--setting", "VITRINE_ENGINE=a,VITRINE_PRECISION=b", "--setting", "VITRINE_ENGINE=c"]
    options = parse_options([*words, "--model", "folder"])
    assert options.setting == [
        {"VITRINE_ENGINE": "a", "VITRINE_PRECISION": "b"},
        {"VITRINE_ENGINE": "c"},
    ]
    assert options.model == [Path("folder")]
    assert options.name == "part"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--models", "digits,huge"], "huge is not one of digits, tiny, base"),
        (["--setting", "ENGINE=x"], "ENGINE=x is not like VITRINE_ENGINE=openvino"),
        (["--servers", ""], "--servers names none"),
    ],
)
def test_unknown_names_are_named(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that is not known is refused with what is allowed."""
    with pytest.raises(SystemExit):
        parse_options(words)
    assert why in capsys.readouterr().err
