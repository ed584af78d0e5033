"""Kappa and MCC: edges, and multilabel; other libraries are in test_parity.py."""

import pytest
import torch
from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

from litseg.metrics.agreement import agreement


def test_perfect_and_opposite() -> None:
    assert agreement(torch.tensor([[5, 0], [0, 7]]), "ab") == {"kappa": 1, "mcc": 1}
    assert agreement(torch.tensor([[0, 6], [6, 0]]), "ab") == {"kappa": -1, "mcc": -1}


def test_independent_of_the_truth_is_zero() -> None:
    result = agreement(torch.tensor([[4, 8], [3, 6]]), "ab")
    assert result["kappa"].item() == pytest.approx(0, abs=1e-15)
    assert result["mcc"].item() == pytest.approx(0, abs=1e-15)


def test_one_class_alone_has_no_value() -> None:
    result = agreement(torch.tensor([[9, 0], [0, 0]]), "ab")
    assert result["kappa"].isnan()
    assert result["mcc"].isnan()
    assert agreement(torch.zeros(2, 2, dtype=torch.int64), "ab")["mcc"].isnan()


def test_counts_of_a_large_data_set_keep_their_digits() -> None:
    small = torch.tensor([[900, 3, 4], [5, 60, 7], [1, 2, 18]])
    for score, value in agreement(small * 10**12, "abc").items():
        assert value.item() == pytest.approx(agreement(small, "abc")[score].item(), rel=1e-14)


def test_multilabel_is_each_class_on_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, said = torch.randint(0, 2, (2, 2, 200), generator=generator)
    matrices = torch.stack(
        [torch.bincount(2 * t + p, minlength=4).view(2, 2) for t, p in zip(truth, said, strict=True)]
    )
    result = agreement(matrices, ["a", "b"])
    for index, name in enumerate("ab"):
        assert result[f"kappa/{name}"].item() == pytest.approx(cohen_kappa_score(truth[index], said[index]))
        assert result[f"mcc/{name}"].item() == pytest.approx(matthews_corrcoef(truth[index], said[index]))
    assert result["mcc"] == (result["mcc/a"] + result["mcc/b"]) / 2
