"""From what the voice says to what the line carries: frames and marks, in the ledger's order."""

from enum import Enum, auto

from attrs import evolve

from voiced.audio.frame import FRAME_S, Framer
from voiced.call.leg import Leg
from voiced.call.phrases import Rendered
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.dialog.heard import Heard


class Lips(Enum):
    """Whether anything is heard of what the voice says."""

    CLOSED = auto()
    OPEN = auto()


class Mouth:
    """Speaks one reply into a leg's playout, and tells the ledger what is where.

    While the lips are closed, what the voice says is kept, and nobody hears of it. Who gives the
    voice its words keeps the bound.
    """

    def __init__(self, heard: Heard, leg: Leg, lips: Lips = Lips.OPEN) -> None:
        self._heard = heard
        self._leg = leg
        self._framer = Framer()
        self._began_s = 0.0
        self._lips = lips
        self._kept: list[str | SpeechEvent] = []
        self.frames = 0

    @property
    def has_audio(self) -> bool:
        """There is something to be heard behind closed lips."""
        return any(isinstance(event, SpokenAudio) for event in self._kept)

    @property
    def is_open(self) -> bool:
        """What the voice says now is heard."""
        return self._lips is Lips.OPEN

    def open(self) -> None:
        """From now on the voice is heard, beginning with what was kept."""
        self._lips = Lips.OPEN
        kept, self._kept = self._kept, []
        for event in kept:
            if isinstance(event, str):
                self.expect(event)
            else:
                self.receive(event)

    def recite(self, rendered: Rendered) -> None:
        """Says a phrase by heart, now, whatever else is kept."""
        for word in rendered.words:
            self._heard.expect(word)
        for event in rendered.speech:
            self._speak(event)
        self.join()

    def expect(self, word: str) -> None:
        """This word was given to the voice."""
        if self._lips is Lips.OPEN:
            self._heard.expect(word)
        else:
            self._kept.append(word)

    def receive(self, event: SpeechEvent) -> None:
        """Takes the voice's next word time or piece of audio."""
        if self._lips is Lips.OPEN:
            self._speak(event)
        else:
            self._kept.append(event)

    def _speak(self, event: SpeechEvent) -> None:
        match event:
            case SpokenWord(start_s=start_s, stop_s=stop_s):
                stop_s = None if stop_s is None else stop_s + self._began_s
                self._heard.word(evolve(event, start_s=start_s + self._began_s, stop_s=stop_s))
            case SpokenAudio(mulaw=mulaw):
                self._put(self._framer.feed(mulaw))

    def join(self) -> None:
        """Another utterance of the voice follows; its word times begin at nought again."""
        self._put(self._framer.flush())
        self._began_s = self.frames * FRAME_S

    def finish(self) -> None:
        """The reply is complete: the last frame is padded, the final mark goes behind it."""
        self._put(self._framer.flush())
        self._leg.playout.mark(self._heard.finish())
        self._leg.playout.end()
        self._leg.wake()

    def break_off(self, now: float) -> None:
        """No more of the reply will come: as `finish`, but nothing can vouch for its end."""
        self._put(self._framer.flush())
        self._leg.playout.end(now)
        self._leg.wake()

    def _put(self, frames: list[bytes]) -> None:
        for frame in frames:
            self._leg.playout.put(frame)
            self.frames += 1
            for name in self._heard.put():
                self._leg.playout.mark(name)
        self._leg.wake()
