"""The configuration's states: a new call is of the latest, a call under way keeps its own."""

from collections.abc import Iterable, Mapping
from datetime import date

import httpx
from attrs import define, frozen

from voiced.call.extraction import Questions
from voiced.call.parties import Entry, Parties
from voiced.call.persona import Cast, Persona, persona, variables
from voiced.call.phrases import PhraseBook
from voiced.config import Agent, Settings, is_withheld
from voiced.engines.build import EngineSet, build_engines
from voiced.engines.fallback import Tell
from voiced.engines.router import routers_of


@frozen
class Clients:
    """What requests are sent with; each is its own, since they forgive different things.

    An order to the carrier must not go out on a connection that has idled for minutes, since it
    cannot be repeated. `tools` is a `publicnet.direct_client`.
    """

    engines: httpx.AsyncClient
    carrier: httpx.AsyncClient
    tools: httpx.AsyncClient


@frozen(eq=False)
class Edition:
    """One state of the configuration, and the engines and agents that it names."""

    settings: Settings
    engines: EngineSet
    casts: Mapping[str, Cast]

    def persona(self, parties: Parties) -> Persona:
        """The agent for one call."""
        agent = self.settings.agents[parties.agent]
        caller = "" if is_withheld(parties.caller) else parties.caller
        facts = parties.known.facts
        said = variables(
            agent, caller=caller, called=parties.called, today=date.today(), facts=facts
        )
        said.update(parties.variables)
        return persona(parties.agent, self.casts[parties.agent], said, parties.known.memory)

    def serves_any(self, entries: Iterable[Entry]) -> bool:
        """Whether one of these calls has an agent of this edition."""
        return any(entry.persona and self.has(entry.persona) for entry in entries)

    def has(self, persona: Persona) -> bool:
        """Whether it is of this edition: its engines were put together for that."""
        return any(cast.engines is persona.engines for cast in self.casts.values())

    def questions(self, agent: str) -> Questions | None:
        """What this agent wants to know of its calls; None: nothing, or it is not there."""
        cast = self.casts.get(agent)
        if cast is None or not cast.agent.extract.get("properties"):
            return None
        settings = cast.agent
        return Questions(
            cast.engines.llm, settings.extract, settings.language, settings.history_tokens
        )


@define(eq=False)
class Editions:
    """The edition of which new calls are, and those before it that calls under way still have."""

    latest: Edition
    earlier: tuple[Edition, ...] = ()

    def persona(self, parties: Parties) -> Persona:
        """The agent for a new call."""
        return self.latest.persona(parties)

    def agent(self, name: str) -> Agent | None:
        """The settings of an agent as they are now; None: it is not there any more."""
        return self.latest.settings.agents.get(name)

    def renew(self, latest: Edition, entries: Iterable[Entry]) -> None:
        """There is a new one; `entries` are the calls under way."""
        calls = tuple(entries)
        before = (self.latest, *self.earlier)
        self.earlier = tuple(edition for edition in before if edition.serves_any(calls))
        self.latest = latest

    def of_call(self, entry: Entry) -> Questions | None:
        """What is to be learnt from this call: what the agent wants to know that has it now or had
        it last, else the one that it began with. None: nothing."""
        asked = entry.persona and self._of(entry.persona).questions(entry.persona.name)
        return asked or self.of_agent(entry.parties.agent)

    def of_agent(self, name: str) -> Questions | None:
        """What an agent of the latest edition wants to know."""
        return self.latest.questions(name)

    def _of(self, persona: Persona) -> Edition:
        return next((each for each in self.earlier if each.has(persona)), self.latest)


def edition_of(settings: Settings, clients: Clients, book: PhraseBook, tell: Tell) -> Edition:
    """What these settings name, put together. `tell` learns of engines that fail."""
    engines = build_engines(settings, clients.engines, tell)
    routers = routers_of(settings, clients.engines)
    filler_s = settings.deadlines.filler_s
    casts = {
        name: Cast(
            agent,
            engines.of(agent),
            engines.voices(agent),
            book,
            filler_s,
            clients.tools,
            routers.get(name),
        )
        for name, agent in settings.agents.items()
    }
    return Edition(settings, engines, casts)
