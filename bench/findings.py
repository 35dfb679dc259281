"""What the telephones note of their calls."""

from attrs import define, field

from bench import tones

LEAD_FRAMES = 5


@define
class Answer:
    """When each step of one answer came, on the monotonic clock."""

    last_sound: float
    completed: float | None = None
    """The telephone sent the packet that completed the STT's deciding step."""
    signalled: float | None = None
    """The STT had that step, and signalled the end of the turn at once."""
    rounds: list[tuple[float, float]] = field(factory=list)
    """Of the model's answers that asked for tools: it was asked, and had asked for them."""
    asked: float | None = None
    """For the answer that is heard."""
    request_bytes: int = 0
    """Of what it was asked with."""
    first_token: float | None = None
    first_words: float | None = None
    """The TTS had enough words to begin."""
    first_audio: float | None = None
    first_frame: float | None = None

    def own_ms(self) -> dict[str, float] | None:
        """What of it was not the engines', by part; None where a step is missing."""
        rounds = [moment for each in self.rounds for moment in each]
        steps = (self.last_sound, self.completed, self.signalled, *rounds,
                 self.asked, self.first_token, self.first_words, self.first_audio,
                 self.first_frame)  # fmt: skip
        known = [step for step in steps if step is not None]
        if len(known) < len(steps) or known != sorted(known):
            return None
        _, completed, signalled, *asked, token, words, audio, frame = known
        return {
            "sound to STT": 1000 * (signalled - completed),
            "end of turn to model asked": 1000 * (asked[0] - signalled),
            "tools": sum(self.tools_ms()),
            "text to TTS": 1000 * (words - token),
            "audio to line": 1000 * (frame - audio),
        }

    def tools_ms(self) -> list[float]:
        """From each time that the model asked for tools until it was asked again, with what came
        of them."""
        asked = [*(asked for asked, _ in self.rounds), self.asked or 0.0][1:]
        return [
            1000 * (again - wanted) for (_, wanted), again in zip(self.rounds, asked, strict=True)
        ]

    def by_heart_ms(self) -> float | None:
        """From the end of the turn to the first frame, where no model was asked for it."""
        if self.asked is not None or self.signalled is None or self.first_frame is None:
            return None
        return 1000 * (self.first_frame - self.signalled)

    def answer_ms(self) -> float:
        """From the caller's last sound to the first frame."""
        return 1000 * ((self.first_frame or 0.0) - self.last_sound)


@define
class Setup:
    """When each step of a call's beginning came, on the monotonic clock; 0.0: not yet."""

    rang: float = 0.0
    """The carrier turned to the webhook."""
    told: float = 0.0
    """It had the whole TwiML."""
    asked: float = 0.0
    """It turned to the media socket."""
    greeted: float = 0.0
    """It had the greeting's first frame."""

    def twiml_ms(self) -> float:
        """From the webhook to its answer."""
        return 1000 * (self.told - self.rang)

    def greeting_ms(self) -> float:
        """From the request for the media socket to the first frame."""
        return 1000 * (self.greeted - self.asked)


@define
class Findings:
    """What the telephones noted, all of them together."""

    answers: list[Answer] = field(factory=list)
    spacings: list[tuple[float, float]] = field(factory=list)
    """(when, seconds since the frame before), of frames in mid-reply."""
    clears: int = 0
    frames_after_clear: int = 0
    unanswered: int = 0
    closings_ms: list[float] = field(factory=list)
    problems: list[str] = field(factory=list)


class Playback:
    """Watches the frames of one line: their spacing, and that none is of a cleared reply."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._frames = 0
        self._last = 0.0
        self._playing: int | None = None
        self._cleared: int | None = None

    def begin(self) -> None:
        """Nothing was playing: another reply starts, with its lead."""
        self._frames = 0

    def frame(self, payload: bytes, now: float) -> None:
        """A frame came."""
        reply = tones.reply_of(payload)
        if reply is not None:
            self._playing = reply
            self._findings.frames_after_clear += reply == self._cleared
        if self._frames > LEAD_FRAMES:
            self._findings.spacings.append((now, now - self._last))
        self._frames += 1
        self._last = now

    def clear(self) -> None:
        """The reply that plays is over."""
        self._findings.clears += 1
        self._cleared = self._playing
        self._frames = 0
