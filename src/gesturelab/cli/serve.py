"""``gesturelab serve``: one model behind a small HTTP server."""

import argparse
import ipaddress
import sys
from pathlib import Path

from gesturelab.cli.options import add_none_option, add_trust_option
from gesturelab.errors import ConfigError

DEFAULT_PORT = 8000


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab serve",
        description="Answer skeleton recordings over HTTP with one model: POST /predict, GET /model, /health and "
        "/metrics; the schema is at /openapi.json. Only this machine can reach it unless --host says otherwise.",
    )
    command.add_argument("model", metavar="MODEL", type=Path, help="a file of 'gesturelab export', or a run's folder")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    command.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any that is free (default: %(default)s)")
    command.add_argument("--max-mb", type=float, default=8.0, metavar="MB", help="of a request (default: %(default)g)")
    command.add_argument(
        "--max-requests", type=int, default=32, metavar="N", help="at a time; others get 503 (default: %(default)s)"
    )
    add_none_option(command)
    add_trust_option(command)
    return command


def run(arguments: list[str]) -> int:
    """Serves until Ctrl-C.

    Returns:
        0 after Ctrl-C, 1 if the port is taken.

    Raises:
        GesturelabError: If the model cannot be read, an option is wrong, or the server's packages are missing.
    """
    options = build_parser().parse_args(arguments)
    if options.max_mb <= 0 or options.max_requests < 1 or not 0 <= options.port < 65_536:
        raise ConfigError("--max-mb must be above 0, --max-requests at least 1, --port between 0 and 65535")
    try:
        import uvicorn

        from gesturelab.serve.app import Limits, make_app
    except ImportError as error:
        raise ConfigError(f"gesturelab serve needs {error.name}: pip install 'gesturelab[serve]'") from error
    from gesturelab.export.load import load

    model = load(options.model, options.trust, none_of_these=options.none_of_these)
    for text in model.warnings:
        print(text, file=sys.stderr)
    if not _loopback(options.host):
        print(
            f"gesturelab: whoever reaches {options.host} can ask this server: it has no passwords and no encryption",
            file=sys.stderr,
        )
    limits = Limits(request_bytes=int(options.max_mb * 2**20), requests=options.max_requests)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(model, limits), host=options.host, port=options.port, log_level="info", access_log=False,
            timeout_keep_alive=5, timeout_graceful_shutdown=10,
        )
    )  # fmt: skip
    try:
        server.run()
    except SystemExit:  # the port is taken; uvicorn has said so
        return 1
    return 0


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
