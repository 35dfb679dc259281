"""From what the voice says to what the line carries: frames and marks, in the ledger's order."""

from attrs import evolve

from voiced.audio.frame import FRAME_S, Framer
from voiced.call.leg import Leg
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.dialog.heard import Heard


class Mouth:
    """Speaks one reply into a leg's playout, and tells the ledger what is where."""

    def __init__(self, heard: Heard, leg: Leg) -> None:
        self._heard = heard
        self._leg = leg
        self._framer = Framer()
        self._began_s = 0.0
        self.frames = 0

    def expect(self, word: str) -> None:
        """This word was given to the voice."""
        self._heard.expect(word)

    def receive(self, event: SpeechEvent) -> None:
        """Takes the voice's next word time or piece of audio."""
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

    def break_off(self) -> None:
        """No more of the reply will come: as `finish`, but nothing can vouch for its end."""
        self._put(self._framer.flush())
        self._leg.playout.end()
        self._leg.wake()

    def _put(self, frames: list[bytes]) -> None:
        for frame in frames:
            self._leg.playout.put(frame)
            self.frames += 1
            for name in self._heard.put():
                self._leg.playout.mark(name)
        self._leg.wake()
