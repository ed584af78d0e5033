import pytest
import timm.optim
import torch
from torch import nn

from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss
from litseg.models import SegmentationModel, create_network
from litseg.training.parameter_groups import describe_groups, find_encoder, parameter_groups, scale_rates
from litseg.training.schedules import schedule
from litseg.training.weight_penalty import weight_penalty


def _unet() -> SegmentationModel:
    return SegmentationModel(
        create_network("unet", "resnet18", encoder_weights=None, classes=3, in_channels=3), [0.0], [1.0]
    )


def _learned() -> CompoundLoss:
    return CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (1.0, DiceLoss())}, learned=True)


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("rate", [1.0, 0.1])
def test_each_parameter_is_in_exactly_one_group(decay: bool, rate: float) -> None:
    model, loss = _unet(), _learned()
    groups = parameter_groups(model, loss, decay, rate)
    found = [id(each) for group in groups for each in group["params"]]
    assert sorted(found) == sorted(id(each) for each in [*model.parameters(), *loss.parameters()])
    assert len(groups) == (2 if rate != 1 else 1) * (1 if decay else 2) + 1


def test_without_the_options_there_is_one_group_in_the_order_of_the_model() -> None:
    model = _unet()
    (group,) = parameter_groups(model, CrossEntropyLoss())
    assert list(group) == ["params"]
    assert [id(each) for each in group["params"]] == [id(each) for each in model.parameters()]


def test_norms_and_biases_do_not_decay_and_weights_do() -> None:
    model = _unet()
    groups = parameter_groups(model, CrossEntropyLoss(), decay_norm_and_bias=False)
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.1)
    decay = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    for part in model.modules():
        for name, parameter in part.named_parameters(recurse=False):
            norm = isinstance(part, nn.BatchNorm2d)
            assert decay[id(parameter)] == (0.0 if norm or name == "bias" else 0.1), (part, name)
    assert set(decay.values()) == {0.0, 0.1}


def test_the_encoder_has_its_own_rate_under_a_schedule() -> None:
    model = _unet()
    optimizer = torch.optim.SGD(parameter_groups(model, CrossEntropyLoss(), False, 0.1), lr=2.0)
    scale_rates(optimizer)
    scheduler = schedule(optimizer, 4, "poly", power=1.0)
    inside = {id(each) for each in model.network.encoder.parameters()}  # type: ignore[union-attr]
    for factor in (1.0, 0.75, 0.5):
        for group in optimizer.param_groups:
            of_encoder = {id(each) in inside for each in group["params"]}
            assert len(of_encoder) == 1
            assert group["lr"] == pytest.approx(factor * (0.2 if of_encoder.pop() else 2.0))
        optimizer.step()
        scheduler.step()
    described = describe_groups(optimizer)
    assert "network norm and bias" in described
    assert "rate 0.2, weight decay 0" in described  # base rates, not those of this step


def test_a_network_without_an_encoder_keeps_one_rate() -> None:
    model = SegmentationModel(nn.Sequential(nn.Conv2d(3, 2, 1)), [0.0], [1.0])
    assert len(parameter_groups(model, CrossEntropyLoss())) == 1
    with pytest.raises(ValueError, match=r"Sequential has no attribute `encoder`.*encoder_rate"):
        parameter_groups(model, CrossEntropyLoss(), encoder_rate=0.1)
    with pytest.raises(ValueError, match=r"encoder_rate: expected a number above 0, got 0"):
        parameter_groups(model, CrossEntropyLoss(), encoder_rate=0.0)
    assert find_encoder(_unet()) is not None


@pytest.mark.parametrize("name", ["lamb", "nadamw", "lion", "sgdp"])
def test_timm_optimizers_take_the_groups(name: str) -> None:
    model = SegmentationModel(nn.Sequential(nn.Conv2d(3, 2, 1)), [0.0], [1.0])
    groups = parameter_groups(model, CrossEntropyLoss(), decay_norm_and_bias=False)
    optimizer = timm.optim.create_optimizer_v2(groups, opt=name, lr=1e-2, weight_decay=0.1)  # type: ignore[attr-defined]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    before = [each.detach().clone() for each in model.parameters()]
    model(torch.ones(1, 3, 4, 4)).square().sum().backward()
    optimizer.step()
    assert all((each != old).any() for each, old in zip(model.parameters(), before, strict=True))


def test_the_l2_penalty_is_the_weight_decay_of_sgd_and_l1_the_sign() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    weight_penalty(model, l1=0.5, l2=0.25).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            expected = 0.5 * parameter.sign() + 0.25 * parameter
            torch.testing.assert_close(parameter.grad, expected.detach())
        else:
            assert parameter.grad is None, name
