"""Run as a program: loads pretrained weights from a hub of its own on 127.0.0.1, then without one. Prints JSON.

A program because huggingface_hub reads HF_ENDPOINT and HF_HOME once, when it is imported.
"""

import hashlib
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

FILES: dict[str, bytes] = {}
REVISION = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """Serves FILES under /<repository>/resolve/<revision>/<name>, as the hub does."""

    def do_HEAD(self) -> None:  # the name that http.server calls
        repository, _, rest = self.path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        self.content = FILES.get(f"{repository}/{name}", b"")
        self.send_response(200 if self.content else 404)
        self.send_header("Content-Length", str(len(self.content)))
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", revision if len(revision) == 40 else REVISION)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def fill() -> dict[str, Any]:
    """Random weights for one encoder of smp's and one of timm's; returns what they are, by encoder."""
    import segmentation_models_pytorch as smp
    import timm
    from safetensors.torch import save

    ours = smp.encoders.get_encoder("mobilenet_v2", weights=None).state_dict()
    theirs = timm.create_model("test_resnet", pretrained=False).state_dict()
    settings = smp.encoders.encoders["mobilenet_v2"]["pretrained_settings"]["imagenet"]
    statistics = {"mean": [0.5, 0.25, 0.125], "std": [0.2, 0.4, 0.6], "input_space": "RGB", "input_range": [0, 1]}
    FILES[f"{settings['repo_id']}/config.json"] = json.dumps(statistics).encode()
    FILES[f"{settings['repo_id']}/model.safetensors"] = save(ours)
    FILES["timm/test_resnet.r160_in1k/model.safetensors"] = save(theirs)
    return {"mobilenet_v2": ours, "tu-test_resnet": {f"model.{name}": value for name, value in theirs.items()}}


def loads(encoder: str, served: dict[str, Any]) -> bool:
    """Whether the network's encoder holds the served weights."""
    import torch

    from litseg.models import create_network

    network: Any = create_network("FPN", encoder, "imagenet", 3, 2)
    loaded = network.encoder.state_dict()  # less than was served: the classifier and, for timm, the last stages stay
    return bool(loaded) and all(torch.equal(value, served[name]) for name, value in loaded.items())


def failure(encoder: str) -> dict[str, Any]:
    """How the loading of weights that are nowhere fails."""
    from litseg.models import create_network, encoder_normalisation

    messages, start = [], time.perf_counter()
    for attempt in (
        lambda: create_network("FPN", encoder, "imagenet", 3, 2),
        lambda: encoder_normalisation(encoder, "imagenet"),
    ):
        try:
            attempt()
        except OSError as error:
            messages.append(str(error))
    return {"messages": messages, "seconds": time.perf_counter() - start}


def main() -> None:
    """The session."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    import torch

    from litseg.models import encoder_normalisation

    torch.set_num_threads(1)
    served = fill()
    result: dict[str, Any] = {"endpoint": os.environ["HF_ENDPOINT"]}
    result["online"] = {encoder: loads(encoder, weights) for encoder, weights in served.items()}
    result["absent on the hub"] = failure("resnet18")
    server.shutdown()
    server.server_close()
    start = time.perf_counter()
    result["offline"] = {encoder: loads(encoder, weights) for encoder, weights in served.items()}
    result["offline seconds"] = time.perf_counter() - start
    result["normalisation"] = encoder_normalisation("mobilenet_v2", "imagenet")
    result["absent everywhere"] = failure("resnet18")
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
