import pytest
import torch

from litseg.models import NestedUNet


def _block(inputs: int, outputs: int) -> int:
    """Two convolutions of 3 x 3 with bias, each with a batch norm."""
    return 9 * inputs * outputs + 9 * outputs * outputs + 2 * outputs + 2 * 2 * outputs


@pytest.mark.parametrize(("nested", "total"), [(True, 9_163_329), (False, 7_852_545)])
def test_the_parameters_counted_by_hand(nested: bool, total: int) -> None:
    widths = [32, 64, 128, 256, 512]
    count = sum(_block(a, b) for a, b in zip([3, *widths], widths, strict=False)) + 33
    for depth in range(4):
        columns = range(1, 5 - depth) if nested else [1]  # of the plain one: joined with the encoder's map alone
        count += sum(_block(column * widths[depth] + widths[depth + 1], widths[depth]) for column in columns)
    with torch.device("meta"):
        network = NestedUNet(3, 1, nested)
    assert count == total == sum(each.numel() for each in network.parameters())


def test_the_maps_of_the_decoder() -> None:
    sizes: dict[str, tuple[int, ...]] = {}
    network = NestedUNet(1, 3, widths=(4, 6, 8))
    for name, block in network.decoder.items():
        block.register_forward_hook(lambda _, inputs, __, name=name: sizes.update({name: tuple(inputs[0].shape[1:])}))
    assert network(torch.randn(2, 1, 8, 12)).shape == (2, 3, 8, 12)
    assert sizes == {"0_1": (4 + 6, 8, 12), "1_1": (6 + 8, 4, 6), "0_2": (2 * 4 + 6, 8, 12)}
    sizes.clear()
    plain = NestedUNet(1, 3, nested=False, widths=(4, 6, 8))
    for name, block in plain.decoder.items():
        block.register_forward_hook(lambda _, inputs, __, name=name: sizes.update({name: tuple(inputs[0].shape[1:])}))
    plain(torch.randn(2, 1, 8, 12))
    assert sizes == {"1_1": (6 + 8, 4, 6), "0_2": (4 + 6, 8, 12)}
    assert network.stride == plain.stride == 4
