import pytest

from litseg.data import Folder
from litseg.data.checking.label_causes import likely_cause


@pytest.mark.parametrize(
    ("names", "labels", "words"),
    [
        (["a", "b"], [255], "masks of 0 and 255"),
        (["a", "b", "c"], [255], "255 for void"),
        (["a", "b", "c"], [3], "count from 1"),
        (["a", "b"], [100], "data.label_map={0: 0, 100: 1}"),
        (["a", "b", "c", "d"], [85, 170, 255], "data.label_map={0: 0, 85: 1, 170: 2, 255: 3}"),
        (["a", "b"], list(range(2, 250, 3)), "resized with interpolation"),
        (["a", "b"], [-1], "signed void"),
    ],
)
def test_the_commonest_causes_are_named(names: list[str], labels: list[int], words: str) -> None:
    assert words in likely_cause(dict.fromkeys(labels, 5), Folder("x", class_names=names))


def test_no_cause_is_made_up() -> None:
    assert likely_cause({9: 1, 30: 1}, Folder("x", class_names=["a", "b", "c", "d"])) == ""
