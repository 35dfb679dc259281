"""Hears through Deepgram: one connection per call, from its first packet to its end.

A Nova model is spoken to on `/v1/listen`, a `flux-*` model on `/v2/listen`: another protocol, with
turn detection of its own. The telephone's mu-law goes out as it is.
"""

from typing import Final

from attrs import frozen

from voiced.config import engines as config
from voiced.engines.deepgram_call import DeepgramTranscription, Dialect
from voiced.engines.deepgram_ear import FluxEar, NovaEar
from voiced.engines.dial import Dial, dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.roles import Transcription
from voiced.wire import deepgram, deepgram_flux

NOVA_BYTES: Final = 320
"""40 ms: a pause is noticed no later than that after its due."""

FLUX_BYTES: Final = 640
"""80 ms, Flux's own step."""

_REFUSALS: Final = {
    400: "it does not know the model, or not in this language, or takes no more keyterms: "
    "check model and language, and keyterms",
    401: "it does not accept the api_key",
    402: "the account has no credit left",
    403: "the api_key gives no access to this model",
    404: "Deepgram's API is not at this address: check url",
}


@frozen
class DeepgramTiming:
    """Deadlines in seconds.

    `ready_s`: from the open connection to Flux's `Connected`. `silent_s` and `update_s`: the
    longest wait for a message that is owed, with Nova, which takes its time, and with Flux, which
    reports every quarter of a second. `flush_s`: a flush is answered by then, come what may.
    `keep_alive_s`: without audio, Nova is sent a sign of life so often; `fill_s`: Flux is sent
    silence from then on, since its time is that of the audio.
    """

    ready_s: float = 3.0
    silent_s: float = 8.0
    update_s: float = 2.0
    flush_s: float = 0.8
    keep_alive_s: float = 4.0
    fill_s: float = 0.5


class DeepgramStt:
    """Deepgram's live transcription."""

    def __init__(
        self,
        name: str,
        settings: config.DeepgramStt,
        timing: DeepgramTiming | None = None,
        *,
        connect: Dial = dial,
    ) -> None:
        self.name = name
        self._timing = timing or DeepgramTiming()
        self._dialect, path = _spoken(settings, self._timing)
        key = settings.api_key.reveal() if settings.api_key else ""
        headers = {"Authorization": f"Token {key}"} if key else {}
        url = settings.url.rstrip("/") + path
        self._endpoint = Endpoint(
            name, "stt", url, "Deepgram", headers, _REFUSALS, ending=deepgram.ending
        )
        self._connect = connect

    def transcription(self) -> Transcription:
        """A new call's ear."""
        return DeepgramTranscription(
            self._endpoint, self._connect, self._dialect, self._timing.flush_s
        )


def _spoken(settings: config.DeepgramStt, timing: DeepgramTiming) -> tuple[Dialect, str]:
    """How to speak with the model, and the path and query of its address."""
    if settings.model.startswith("flux-"):
        flux = Dialect(
            FluxEar, FLUX_BYTES, deepgram_flux.FORCE_END_TURN, "", timing.ready_s,
            timing.update_s, timing.fill_s, FLUX_BYTES / deepgram.SAMPLE_RATE,
        )  # fmt: skip
        return flux, _flux_options(settings).path()
    nova = Dialect(
        NovaEar, NOVA_BYTES, deepgram.FINALIZE, deepgram.KEEP_ALIVE, None,
        timing.silent_s, timing.keep_alive_s, timing.keep_alive_s,
    )  # fmt: skip
    return nova, _nova_options(settings).path()


def _flux_options(settings: config.DeepgramStt) -> deepgram_flux.FluxOptions:
    return deepgram_flux.FluxOptions(
        settings.model,
        settings.language,
        keyterms=settings.keyterms,
        mip_opt_out=settings.mip_opt_out,
        eot_threshold=settings.eot_threshold,
        eager_eot_threshold=settings.eager_eot_threshold,
        eot_timeout_ms=settings.eot_timeout_ms,
    )


def _nova_options(settings: config.DeepgramStt) -> deepgram.ListenOptions:
    return deepgram.ListenOptions(
        settings.model,
        settings.language,
        settings.endpointing_ms,
        settings.utterance_end_ms,
        keyterms=settings.keyterms,
        mip_opt_out=settings.mip_opt_out,
    )
