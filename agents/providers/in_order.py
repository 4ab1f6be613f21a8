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
        self._rests: dict[int, NoModel | UsageLimited] = {}
        self._until: dict[int, datetime] = {}

    @property
    def name(self) -> str:
        """The name of the one that is wanted."""
        return self._providers[0].name

    async def work(self, conversation: AnyConversation) -> None:
        """As the first that can; UsageLimited or NoModel where none can."""
        for place, provider in self._awake():
            try:
                await provider.work(conversation)
            except (NoModel, UsageLimited) as error:
                self._rest(place, error)
                log.warning("a provider cannot go on; the next is asked", provider=provider.name, reason=str(error))
            else:
                return
        raise self._none()

    async def aclose(self) -> None:
        """Close all of them."""
        for provider in self._providers:
            await provider.aclose()

    def _awake(self) -> list[tuple[int, Provider]]:
        now = self._now()
        awake = [(n, one) for n, one in enumerate(self._providers) if self._until.get(n, now) <= now]
        # One that is merely away is asked again before all give up.
        return awake or [(n, one) for n, one in enumerate(self._providers) if isinstance(self._rests[n], NoModel)]

    def _rest(self, place: int, error: NoModel | UsageLimited) -> None:
        self._rests[place] = error
        self._until[place] = error.until if isinstance(error, UsageLimited) else self._now() + REST

    def _none(self) -> NoModel | UsageLimited:
        """What to say of all of them: the limit that ends first, for that is when it goes on."""
        limits = [error for error in self._rests.values() if isinstance(error, UsageLimited)]
        if limits:
            return min(limits, key=lambda error: error.until)
        return NoModel(" ".join(str(error) for error in self._rests.values()))
