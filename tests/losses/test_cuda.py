"""The losses on a GPU: the same numbers, and no wait for the device but where clauses.yaml says so."""

import pytest
import torch
from torch.testing import assert_close

from tests.losses.cases import MODES, VARIANTS, make_labels, make_logits, make_void, value_and_gradient, with_void
from tests.losses.test_clauses import TABLE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_agrees_with_cpu_and_never_waits() -> None:
    for name, build in VARIANTS.items():
        for mode in MODES:
            loss = build(mode, class_weights=[0.5, 2.0] if mode == "binary" else [0.5, 2.0, 1.0, 0.25])
            logits, target = make_logits(mode), with_void(make_labels(mode), make_void())
            expected = value_and_gradient(loss, logits, target)
            loss, logits, target = loss.cuda(), logits.cuda(), target.cuda()
            on_host = "no_host_sync" in TABLE["exceptions"].get(type(loss).__name__, {})
            torch.cuda.set_sync_debug_mode("default" if on_host else "error")
            try:
                result = value_and_gradient(loss, logits, target)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            for ours, wanted in zip(result, expected, strict=True):
                assert_close(ours.cpu(), wanted, msg=f"{name} {mode}")
