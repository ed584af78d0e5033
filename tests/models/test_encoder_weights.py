"""Pretrained weights: really loaded from a hub (one of our own), from its cache, and clearly refused without either."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from litseg.models import create_network, encoder_normalisation


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What hub_session.py saw, with an empty cache of its own."""
    foreign = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {"HF_HOME": str(tmp_path_factory.mktemp("hub")), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    program = Path(__file__).with_name("hub_session.py")
    run = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result | {"home": environment["HF_HOME"]}


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-test_resnet"])
def test_the_encoder_holds_the_served_weights(session: dict[str, Any], encoder: str) -> None:
    assert session["online"][encoder]


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-test_resnet"])
def test_weights_in_the_cache_load_without_a_network(session: dict[str, Any], encoder: str) -> None:
    assert session["offline"][encoder]
    assert session["offline seconds"] < 20


@pytest.mark.parametrize("case", ["absent on the hub", "absent everywhere"])
def test_weights_that_are_nowhere_fail_at_once_and_say_how_to_go_on(session: dict[str, Any], case: str) -> None:
    messages = session[case]["messages"]
    assert len(messages) == 2  # the network and the normalisation
    for message in messages:
        assert "'imagenet' of the encoder 'resnet18'" in message
        assert session["endpoint"] in message
        assert session["home"] in message
        assert "encoder_weights=null" in message
        assert "HF_HOME" in message
        assert "\n" not in message
    assert session[case]["seconds"] < 12  # the hub's own client alone: about 25 s for each


def test_the_normalisation_of_smp_weights_is_in_the_unit_of_the_images(session: dict[str, Any]) -> None:
    mean, std = session["normalisation"]
    assert mean == pytest.approx([127.5, 63.75, 31.875])
    assert std == pytest.approx([51, 102, 153])


def test_the_normalisation_of_timm_weights_comes_with_timm() -> None:
    mean, std = encoder_normalisation("tu-resnet18", "imagenet")
    assert mean == pytest.approx([123.675, 116.28, 103.53])
    assert std == pytest.approx([58.395, 57.12, 57.375])


def test_the_normalisation_follows_the_weights_to_other_numbers_of_channels() -> None:
    mean, _ = encoder_normalisation("tu-resnet18", "imagenet")
    assert encoder_normalisation("tu-resnet18", "imagenet", in_channels=5)[0] == [*mean, *mean[:2]]
    assert encoder_normalisation("tu-resnet18", "imagenet", in_channels=1)[0] == [pytest.approx(sum(mean) / 3)]


@pytest.mark.parametrize(
    ("encoder", "weights", "message"),
    [
        ("resnet18", "image_net", r"no weights 'image_net'. It has: imagenet, ssl, swsl\. null trains from scratch"),
        ("tu-botnet50ts_256", "imagenet", "Nobody has published any"),
        ("tu-resnet18", "a1_in1k", r"Write encoder_weights: imagenet; .*tu-resnet18\.a1_in1k"),
    ],
)
def test_unknown_weights_name_the_known_ones(encoder: str, weights: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_network("Unet", encoder, weights, 3, 2)
    with pytest.raises(ValueError, match=message):
        encoder_normalisation(encoder, weights)
