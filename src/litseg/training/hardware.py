"""Chooses accelerator, precision and memory format from what the machine has, and says why."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Hardware:
    """What a run computes on. `reasons` is one line for people."""

    accelerator: str
    precision: str
    channels_last: bool
    reasons: str


def choose_hardware(accelerator: str, precision: str, channels_last: bool | str) -> Hardware:
    """Fills in each value that is `auto`; the others stay as given."""
    chosen_accelerator, why = (accelerator, "as set") if accelerator != "auto" else _accelerator()
    reasons = [f"accelerator {chosen_accelerator} ({why})"]
    chosen_precision, why = (str(precision), "as set") if precision != "auto" else _precision(chosen_accelerator)
    reasons.append(f"precision {chosen_precision} ({why})")
    if channels_last == "auto":
        last, why = (
            chosen_accelerator != "mps",
            "faster convolutions" if chosen_accelerator != "mps" else "no gain on mps",
        )
    else:
        last, why = bool(channels_last), "as set"
    reasons.append(f"channels_last {'on' if last else 'off'} ({why})")
    return Hardware(chosen_accelerator, chosen_precision, last, ", ".join(reasons))


def _accelerator() -> tuple[str, str]:
    if torch.cuda.is_available():
        return "gpu", torch.cuda.get_device_name(0)
    if torch.backends.mps.is_available():
        return "mps", "Apple GPU"
    return "cpu", "no GPU found"


def _precision(accelerator: str) -> tuple[str, str]:
    if accelerator in ("gpu", "cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16-mixed", "the GPU computes in bfloat16"
        return "16-mixed", "the GPU has no bfloat16"
    if accelerator == "cpu" and _cpu_has_bfloat16():
        return "bf16-mixed", "the CPU has bfloat16 instructions"
    return "32-true", "no fast half precision here"


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies in bfloat16 (AVX512-BF16 or AMX); without, oneDNN emulates it and loses time."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # no public name before torch 2.12
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
