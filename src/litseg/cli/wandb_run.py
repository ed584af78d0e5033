"""Weights & Biases: online where a key is set, else offline, and never the reason that a run fails, waits or asks."""

import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litseg.results.redaction import redact_words

if TYPE_CHECKING:
    from litseg.training.background_logger import BackgroundLogger

log = logging.getLogger(__name__)
PROBE_SECONDS, INIT_SECONDS = 5, 15


def wandb_logger(
    folder: str,
    project: str,
    name: str | None = None,
    base_url: str | None = None,
    finish_seconds: float = 120,
    **settings: Any,
) -> "BackgroundLogger | None":
    """A logger with a W&B run of its own, or None (said in the log) where W&B is not installed or cannot start.

    The run's id is kept in `<folder>/wandb_run_id`: who resumes in that folder goes on with the same W&B run.

    Args:
        folder: the run folder; W&B keeps its files in `wandb/` there.
        project: the W&B project.
        name: the run's display name; None takes the folder's.
        base_url: of the server, such as https://api.wandb.ai; None leaves it to WANDB_BASE_URL or W&B.
        finish_seconds: how long the end of the run may wait for uploads.
        **settings: further arguments of `wandb.init`, such as `group` or `tags`.
    """
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    if getattr(rank_zero_only, "rank", 0) != 0:
        return None
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would send tracebacks, and wait for that at the end
    try:
        import wandb
    except ImportError:
        log.info("W&B is not installed, metrics go to metrics.csv only (add it by: pip install -e '.[wandb]')")
        return None
    arguments = {"project": project, "name": name or Path(folder).name, "dir": folder, **settings}
    try:
        run = _start(wandb, base_url, arguments | {"id": _run_id(Path(folder)), "resume": "allow"})
    except Exception as error:  # a full disk, a service that does not start: metrics.csv is there
        log.warning("W&B cannot start (%s); the run goes on without", error)
        return None
    return _logger(run, folder, finish_seconds)


def _logger(run: Any, folder: str, seconds: float) -> "BackgroundLogger":
    from lightning.pytorch.loggers import WandbLogger

    from litseg.training.background_logger import BackgroundLogger

    where = Path(run.dir).parent
    offline = f"offline; upload it later by: wandb sync {where}"
    log.info("W&B run %s (%s)", run.id, offline if run.offline else run.url)
    return BackgroundLogger(
        WandbLogger(experiment=run, save_dir=folder),
        "W&B",
        finish=lambda code: run.finish(exit_code=code),
        seconds=seconds,
        afterwards=f"upload its local copy by: wandb sync --include-online {where}",
        abandon=_abandon,
        run_id=run.id,
    )


def _run_id(folder: Path) -> str:
    """The id in the run folder's `wandb_run_id`, made where there is none."""
    path = folder / "wandb_run_id"
    if not path.exists():
        path.write_text(secrets.token_hex(4) + "\n")
    return path.read_text().strip()


def _start(wandb: Any, base_url: str | None, arguments: dict[str, Any]) -> Any:
    """A run, online or offline. `reinit` ends one that an earlier job left open."""
    options = {} if base_url is None else {"base_url": base_url}
    quiet = wandb.Settings(init_timeout=INIT_SECONDS, silent=True, disable_code=True, **options)
    mode = os.environ.get("WANDB_MODE") or ("online" if _has_key(quiet) else "offline")
    with _private_process():
        try:
            if mode == "online":
                _probe(quiet.base_url)
            return wandb.init(mode=mode, settings=quiet, reinit="finish_previous", **arguments)
        except Exception as error:  # whatever W&B or the network has against it, training goes on
            log.warning("W&B cannot go %s (%s); it goes on offline", mode, error)
            with suppress(SystemExit):  # what wandb does where its service process did not end well
                wandb.teardown()  # the service still holds the id
            return wandb.init(mode="offline", settings=quiet, reinit="finish_previous", **arguments)


@contextmanager
def _private_process() -> Iterator[None]:
    """While W&B starts it sees the command line without secrets, which it records, and no terminal that it may ask."""
    words, terminal = sys.argv, sys.stdin
    sys.argv = redact_words(sys.argv)
    with Path(os.devnull).open() as nobody:
        sys.stdin = nobody
        try:
            yield
        finally:
            sys.argv, sys.stdin = words, terminal


def _probe(url: str) -> None:
    """Any answer of the server will do, a refusal too; proxies of the environment are asked.

    Raises:
        OSError: none within 5 seconds; also a name server that hangs is given up then.
    """
    from urllib.error import HTTPError
    from urllib.request import urlopen

    failures: list[OSError] = [TimeoutError(f"no answer of the server within {PROBE_SECONDS} s")]

    def ask() -> None:
        try:
            urlopen(url, timeout=PROBE_SECONDS).close()
            failures.clear()
        except HTTPError:
            failures.clear()
        except OSError as error:
            failures[:] = [error]

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if failures:
        raise failures[0]


def _has_key(settings: Any) -> bool:
    """Whether a key is in the environment, W&B's settings or netrc; looking never asks and needs no network."""
    import netrc
    from urllib.parse import urlsplit

    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or settings.api_key:
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any("wandb" in host or host == urlsplit(settings.base_url).netloc for host in hosts)


def _abandon() -> None:
    """Ends W&B's service process, for whose uploads Python would wait when it ends; its files are written by then."""
    import wandb
    from wandb.sdk import wandb_setup

    with suppress(Exception, SystemExit):  # another version of wandb, or a service that is gone or ended by this
        service: Any = wandb_setup.singleton()._connection
        service._proc._process.kill()
        wandb.teardown()
