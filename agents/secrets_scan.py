"""Recognises credentials in a line, with the detectors of detect-secrets that name what they found.

Its detectors of entropy and of words such as `password` are left out: on lock files and tests they are mostly wrong.
Nothing is sent anywhere to verify a finding.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

GUESSING = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "IPPublicDetector")
ANTHROPIC = re.compile(r"\bsk-ant-[\w-]{20,}")
Detector = Callable[[str], Iterable[str]]


def kinds(line: str) -> Iterator[str]:
    """What kinds of credentials stand in `line`, which may be of a file in UTF-16 that was read as UTF-8."""
    line = line.replace("\0", "")
    if ANTHROPIC.search(line):
        yield "Anthropic API Key"
    for kind, detect in _detectors().items():
        if any(True for _ in detect(line)):
            yield kind


@functools.cache
def _detectors() -> dict[str, Detector]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: dict[str, Any] = get_mapping_from_secret_type_to_class()
    return {kind: cls().analyze_string for kind, cls in classes.items() if cls.__name__ not in GUESSING}
