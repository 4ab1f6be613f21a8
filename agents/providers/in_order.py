"""Several providers as one: where the first cannot, the next goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from agents.conversation import AnyConversation
from agents.errors import NoModel, UsageLimited
from agents.providers import Provider
from servers.kit.logs import get

log = get(__name__)
REST = timedelta(minutes=5)


def _now() -> datetime:
    return datetime.now(UTC)


class InOrder:
    """Asks the first provider that can be asked; one that could not rests until it says, or for some minutes.

    Args:
        providers: The first is the one that is wanted.
    """

    def __init__(self, providers: Sequence[Provider], now: Callable[[], datetime] = _now) -> None:
        self._providers = providers
        self._now = now
        self._until: dict[int, datetime] = {}

    @property
    def name(self) -> str:
        """The name of the one that is wanted."""
        return self._providers[0].name

    async def work(self, conversation: AnyConversation) -> None:
        """As the first that can, telling of every limit that is met.

        Raises:
            UsageLimited: Each that was asked is at its limit; this is the one that ends first.
            NoModel: None can go on otherwise.
        """
        failures: list[NoModel | UsageLimited] = []
        for place, provider in self._awake():
            try:
                return await provider.work(conversation)
            except UsageLimited as limit:
                self._until[place] = limit.until
                failures.append(limit)
                await conversation.limited(limit)
            except NoModel as error:
                self._until[place] = self._now() + REST
                failures.append(error)
            log.warning("a provider cannot go on", provider=provider.name, reason=str(failures[-1]))
        raise _of_all(failures)

    async def aclose(self) -> None:
        """Close all of them."""
        for provider in self._providers:
            await provider.aclose()

    def _awake(self) -> list[tuple[int, Provider]]:
        now = self._now()
        every = list(enumerate(self._providers))
        # Whoever gives us work where all rest knows better, or learns from their answers that it may not.
        return [(n, one) for n, one in every if self._until.get(n, now) <= now] or every


def _of_all(failures: Sequence[NoModel | UsageLimited]) -> NoModel | UsageLimited:
    limits = [error for error in failures if isinstance(error, UsageLimited)]
    # With one that is merely away the conductor would offer the work again at once.
    if len(limits) == len(failures):
        return min(limits, key=lambda error: error.until)
    return failures[0] if len(failures) == 1 else NoModel(" ".join(str(error) for error in failures))
