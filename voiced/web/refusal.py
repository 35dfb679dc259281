"""What Twilio's own voice says to a caller whom we cannot take."""

import re
from datetime import date
from typing import Final

from voiced.call.persona import variables
from voiced.config import Settings
from voiced.config.routing import is_withheld
from voiced.wire import twiml

ACCENTS: Final = {
    "da": "da-DK", "de": "de-DE", "en": "en-US", "es": "es-ES", "fr": "fr-FR", "it": "it-IT",
    "nb": "nb-NO", "nl": "nl-NL", "pl": "pl-PL", "pt": "pt-BR", "sv": "sv-SE",
}  # fmt: skip
"""The accent of Twilio's voice for a language of which no country is given."""

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{5,14}")


def accent(language: str) -> str:
    """A language tag as Twilio's `<Say>` wants it: with a country."""
    return language if "-" in language else ACCENTS.get(language, "en-US")


def refusal(settings: Settings, agent: str, caller: str, called: str) -> str:
    """TwiML: the agent's overflow number rings; without one, a sentence, and the call ends."""
    chosen = settings.agents[agent]
    if chosen.overflow_number:
        # Twilio shows a number that is ours, or the caller's own; it dials with no other.
        known = (caller, settings.twilio.phone_number, called)
        shown = (each for each in known if _NUMBER.fullmatch(each) and not is_withheld(each))
        return twiml.dial(chosen.overflow_number, next(shown, None))
    said = variables(chosen, caller=caller, called=called, today=date.today())
    return twiml.say_and_hang_up(chosen.busy.format_map(said), accent(chosen.language))
