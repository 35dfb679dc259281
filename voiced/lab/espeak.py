"""eSpeak NG through its C library: text in, samples and the place of every word out.

The command line would do for the sound, but only the library tells where in the sound each word
begins. It keeps its state in the process, so one lock guards it; a phrase takes a few
milliseconds. The interface is `speak_lib.h` of eSpeak NG 1.51.
"""

import ctypes
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from voiced.errors import StartupError

LIBRARY = "libespeak-ng.so.1"

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples to the callback, before the call returns
_BUFFER_MS = 200
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_PARAMETER_RATE, _PARAMETER_PITCH = 1, 3
_EVENT_END, _EVENT_WORD = 0, 1


@frozen
class Persona:
    """An eSpeak voice: its name with variant (`en-us+f3`), words a minute, pitch 0 to 99."""

    name: str
    rate_wpm: int = 160
    pitch: int = 50


@frozen
class WordEvent:
    """A word that begins at `sample`; `character` is its place in the text, from 0."""

    character: int
    sample: int


class _EventId(ctypes.Union):
    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@define
class Espeak:
    """The library, once per process: see `espeak`."""

    _library: ctypes.CDLL
    sample_rate: int
    _lock: threading.Lock = field(factory=threading.Lock)

    def synthesise(
        self, text: str, persona: Persona
    ) -> tuple[NDArray[np.float32], list[WordEvent]]:
        """Speaks `text`; blocks for a few milliseconds, so call it in a worker thread.

        Returns:
            float32 samples of ±1 at `sample_rate`, and the words in the order they sound.
        """
        pieces: list[NDArray[np.int16]] = []
        words: list[WordEvent] = []

        def receive(samples: Any, count: int, events: Any) -> int:
            if samples and count:
                pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
            index = 0
            while events[index].type != _EVENT_END:
                event = events[index]
                # A voice change is reported as a word at position 0: not one.
                if event.type == _EVENT_WORD and event.text_position > 0:
                    words.append(WordEvent(event.text_position - 1, event.sample))
                index += 1
            return 0

        encoded = text.encode()
        with self._lock:
            callback = _Callback(receive)
            self._library.espeak_SetSynthCallback(callback)
            self._library.espeak_SetVoiceByName(persona.name.encode())
            self._library.espeak_SetParameter(_PARAMETER_RATE, persona.rate_wpm, 0)
            self._library.espeak_SetParameter(_PARAMETER_PITCH, persona.pitch, 0)
            self._library.espeak_Synth(
                encoded, ctypes.c_size_t(len(encoded) + 1), 0, _POS_CHARACTER, 0,
                _CHARS_UTF8, None, None,
            )  # fmt: skip
        pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        return (pcm / np.float32(32768)).astype(np.float32), words


@cache
def espeak() -> Espeak:
    """The library, loaded on first use.

    Raises:
        StartupError: it is not installed.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise StartupError("the lab's voice is missing: apt install espeak-ng") from error
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, None, 0)
    if rate <= 0:
        raise StartupError("the lab's voice does not start: apt install espeak-ng-data")
    return Espeak(library, rate)
