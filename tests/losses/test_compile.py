"""Every loss compiles as one graph unless it works on the host, and gives what it gives uncompiled."""

from typing import cast

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from litseg.labels import Task
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
