"""Every loss compiles as one graph unless it works on the host, and gives what it gives uncompiled."""

import shutil
from typing import cast

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from litseg.labels import Task
from litseg.losses import CompoundLoss
from tests.losses.cases import MODES, PLAIN, make_labels, make_logits, make_void, value_and_gradient, with_void
from tests.losses.test_clauses import TABLE


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # dynamo itself, at a graph break
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLAIN)
def test_compiles_without_a_graph_break(name: str, mode: Task) -> None:
    torch._dynamo.reset()
    loss = PLAIN[name](mode)
    logits, target = make_logits(mode), with_void(make_labels(mode), make_void())
    on_host = "no_host_sync" in TABLE["exceptions"].get(name, {})
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=not on_host)
    expected = value_and_gradient(loss, logits, target)
    for result, wanted in zip(value_and_gradient(cast(nn.Module, compiled), logits, target), expected, strict=True):
        assert_close(result, wanted)


@pytest.mark.faults  # a minute of C++ compiler
@pytest.mark.skipif(shutil.which("c++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # inductor's own
def test_a_compound_compiles_with_inductor() -> None:
    torch._dynamo.reset()
    terms = {name: (1.0, PLAIN[name]("multiclass")) for name in ("CrossEntropyLoss", "DiceLoss", "FocalLoss")}
    loss = CompoundLoss(terms)
    logits, target = make_logits("multiclass"), with_void(make_labels("multiclass"), make_void())
    compiled = cast(nn.Module, torch.compile(loss, fullgraph=True))
    expected = value_and_gradient(loss, logits, target)
    for result, wanted in zip(value_and_gradient(compiled, logits, target), expected, strict=True):
        assert_close(result, wanted)
