import pickle
from pathlib import Path

import pytest

from litseg.data.pair_table import PairTable
from litseg.data.source import Pair

PAIRS = [
    Pair(f"näme {index}", (Path(f"a/{index}.png"), Path(f"depth/{index}.tif")), (Path(f"m/{index}.png"),))
    for index in range(5)
]


def test_is_the_list_it_was_made_from() -> None:
    table = PairTable(PAIRS)
    assert list(table) == PAIRS
    assert [table[index] for index in range(-5, 5)] == PAIRS + PAIRS
    assert table[1:4:2] == PAIRS[1:4:2]
    assert len(table) == 5
    assert list(PairTable([])) == []
    with pytest.raises(IndexError):
        table[5]


def test_file_names_that_are_not_utf8_survive() -> None:
    odd = Pair("x", (Path("a/\udcff.png"),), (Path("m.png"),))
    assert PairTable([odd])[0] == odd


def test_samples_may_differ_in_masks_but_not_in_images() -> None:
    nuclei = [Pair(f"{count}", (Path("a"),), tuple(Path(f"{index}") for index in range(count))) for count in (2, 0, 5)]
    assert list(PairTable(nuclei)) == nuclei
    assert PairTable(nuclei)[-1] == nuclei[2]
    with pytest.raises(ValueError, match="as many image files as the first"):
        PairTable([*PAIRS, Pair("x", (Path("a"),), (Path("m"),))])


def test_it_is_small() -> None:
    pairs = [
        Pair(f"{index:06d}", (Path(f"images/{index:06d}.jpg"),), (Path(f"masks/{index:06d}.png"),))
        for index in range(1000)
    ]
    assert len(pickle.dumps(PairTable(pairs))) < 100 * len(pairs)
