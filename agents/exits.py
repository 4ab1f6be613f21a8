"""With what code an agent's process ends, for whoever starts it again."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
SUPERSEDED: Final = 3
NO_MODEL: Final = 4
TERMINATED: Final = 143
WHY: Final = {
    FAILED: "it cannot run",
    SUPERSEDED: "another process of its slot took over",
    NO_MODEL: "its model is not to be had",
}
