"""What a plan says of its own use: the `policy` block as a value."""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.compiler.source import Span

_KEYS = ("use", "action", "revenue", "rating", "credit", "territory", "unknown")


@dataclass(frozen=True)
class Policy:
    """A policy. None (and an empty `territory`) where nothing is said.

    `use` is personal or commercial, `action` generate, serve or redistribute, `revenue` US dollars a year, `rating`
    the strictest that is allowed (general, mature or any), `credit` whether credit will be given, `territory` the
    countries of use as ISO 3166-1 codes (or EU, or WORLD), `unknown` what becomes of experts without a known licence:
    deny or warn. `span` is the block, `said` the place of each key.
    """

    use: str | None = None
    action: str | None = None
    revenue: float | None = None
    rating: str | None = None
    credit: bool | None = None
    territory: tuple[str, ...] = ()
    unknown: str | None = None
    span: Span | None = field(default=None, compare=False)
    said: tuple[tuple[str, Span], ...] = field(default=(), compare=False)

    @property
    def commercial(self) -> bool:
        """Whether what is made is for money."""
        return self.use == "commercial"

    @property
    def serves(self) -> bool:
        """Whether models are offered to others as a service."""
        return self.action == "serve"

    @property
    def redistributes(self) -> bool:
        """Whether what is emitted is passed on."""
        return self.action == "redistribute"

    @property
    def concerns_rights(self) -> bool:
        """Whether it says anything that a licence has to allow."""
        return bool(self.use or self.action or self.revenue is not None or self.territory or self.unknown)

    @property
    def asks_much(self) -> bool:
        """Whether it needs more than a personal look at pictures, which nearly every licence allows."""
        return self.commercial or self.serves or self.redistributes

    @property
    def denies_unknown(self) -> bool:
        """Whether an expert without a known licence is refused."""
        return self.asks_much if self.unknown is None else self.unknown == "deny"

    @property
    def stated(self) -> dict[str, str | float | bool]:
        """What is said, as plain data; territories with commas between."""
        said = {key: getattr(self, key) for key in _KEYS if getattr(self, key) not in (None, ())}
        return {key: ", ".join(value) if isinstance(value, tuple) else value for key, value in said.items()}

    def at(self, *keys: str) -> Span | None:
        """Where the first of some keys stands, or else the block."""
        places = dict(self.said)
        return next((places[key] for key in keys if key in places), self.span)

    def under(self, file: Policy | None) -> Policy:
        """This policy, with what the file's says where this one says nothing."""
        if file is None:
            return self
        own = {key: value for key in _KEYS if (value := getattr(self, key)) not in (None, ())}
        given = {key: getattr(file, key) for key in _KEYS} | own
        places = dict(file.said) | dict(self.said)
        return Policy(**given, span=self.span or file.span, said=tuple(places.items()))
