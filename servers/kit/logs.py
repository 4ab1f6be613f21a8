"""Structured logs on standard error that never show a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import structlog

from servers.kit.errors import InvalidInput

REDACTED = "[redacted]"
_SECRET_NAMES = re.compile(r"(?i)(token|secret|password|passwd|api[_-]?key|authorization|private[_-]?key|cookie)")
_HARMLESS_NAMES = re.compile(r"(?i)(tokens|_count|_id|_usage)$")
_SECRET_VALUES = re.compile(
    r"""(?x)
    (?:Bearer|Basic)\s+[\w.~+/=-]{8,}
    | (?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]+                # a JWT
    | gh[pousr]_\w{8,} | github_pat_\w{8,}
    | sk-(?:ant|proj|svcacct)-[\w-]{8,} | (?<![\w-])sk-\w{20,}
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)                     # user:password@ in a URL
    | -----BEGIN[^-]*PRIVATE\ KEY-----[\s\S]*?(?:-----END[^-]*-----|$)
    """
)
# name=value, "name": value and the headers that carry credentials; the name stays
_SECRET_FIELDS = re.compile(
    r"""(?xi)
    ( (?:token|secret|passw(?:or)?d|api[_-]?key|private[_-]?key)
      (?: ["']?\s*=\s*b?["']? | ["']\s*:\s*b?["']? ) )
    [^\s"'&,;)}\]]+
    | ( (?:authorization|cookie|x-api-key) ["']?\s*[:=]\s*b?["']? ) [^"'\r\n]+
    """
)
_MAX_DEPTH = 8


def redact(text: str) -> str:
    """`text` with everything that looks like a credential replaced."""
    text = _SECRET_VALUES.sub(REDACTED, text)
    return _SECRET_FIELDS.sub(lambda found: f"{found[1] or found[2]}{REDACTED}", text)


def _clean(name: str, value: object, depth: int = 0) -> object:
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_NAMES.search(name) and not _HARMLESS_NAMES.search(name):
        return REDACTED
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        items = cast(Mapping[object, object], value).items()
        return {redact(str(k)): _clean(str(k), v, depth + 1) for k, v in items}
    if isinstance(value, list | tuple) and depth < _MAX_DEPTH:
        return [_clean("", v, depth + 1) for v in cast(list[object], value)]
    return redact(value.decode(errors="replace") if isinstance(value, bytes) else str(cast(object, value)))


def _redactor(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Exceptions carry other people's text, so they are rendered before and cleaned like any string.
    # uvicorn's color_message says its event once more, with codes for a terminal.
    return {name: _clean(name, value) for name, value in event.items() if name != "color_message"}


def configure(level: str = "INFO", *, json: bool | None = None) -> None:
    """Send structlog's and the standard library's records through one redacting pipeline to standard error.

    Args:
        level: Lowest level shown.
        json: One JSON object a line; by default when standard error is not a terminal.

    Raises:
        InvalidInput: There is no such level.
    """
    if level.upper() not in logging.getLevelNamesMapping():
        raise InvalidInput(f"There is no log level {level}. Set RIG_LOG_LEVEL to DEBUG, INFO, WARNING or ERROR.")
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redactor,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("httpx2", "httpcore2", "mcp", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger of the rig."""
    return structlog.stdlib.get_logger(name)
