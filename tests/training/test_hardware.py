import pytest
import torch

from litseg.training import hardware
from litseg.training.hardware import choose_hardware


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _index: "a GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return monkeypatch


@pytest.mark.parametrize(
    ("gpu", "gpu_bf16", "cpu_bf16", "expected"),
    [
        (True, True, False, ("gpu", "bf16-mixed", True)),
        (True, False, True, ("gpu", "16-mixed", True)),
        (False, False, True, ("cpu", "bf16-mixed", True)),
        (False, False, False, ("cpu", "32-true", True)),
    ],
)
def test_takes_what_the_machine_has(
    machine: pytest.MonkeyPatch, gpu: bool, gpu_bf16: bool, cpu_bf16: bool, expected: tuple[str, str, bool]
) -> None:
    machine.setattr(torch.cuda, "is_available", lambda: gpu)
    machine.setattr(torch.cuda, "is_bf16_supported", lambda **_options: gpu_bf16)
    machine.setattr(hardware, "_cpu_has_bfloat16", lambda: cpu_bf16)
    chosen = choose_hardware("auto", "auto", "auto")
    assert (chosen.accelerator, chosen.precision, chosen.channels_last) == expected


def test_what_is_set_stays_and_the_line_says_so() -> None:
    chosen = choose_hardware("cpu", "32-true", False)
    assert (chosen.accelerator, chosen.precision, chosen.channels_last) == ("cpu", "32-true", False)
    assert chosen.reasons == "accelerator cpu (as set), precision 32-true (as set), channels_last off (as set)"
