"""One short call over real sockets, on the real clock: lab, daemon and telephone.

Everything else is tested in virtual time; this is the proof that the parts fit. The voice is
espeak-ng, the ear pocketsphinx, and the daemon is configured as an operator would.
"""

from functools import partial
from pathlib import Path

import httpx
import trio

from voiced import daemon
from voiced.config import SecretSources, parse
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.phone import call
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.script import After, Cue, HangUp, Say, Turn

TOKEN = "0123456789abcdef0123456789abcdef"
SCRIPT = (
    Turn(Say("what is on the menu")),
    Turn(Say("wait do you have vegetarian dishes"), After(Cue.INTO_REPLY, 1.5)),
    Turn(HangUp(), After(Cue.INTO_REPLY, 0.2)),
)


def configuration(lab: Lab, port: int, records: Path) -> str:
    return f"""
        [server]
        port = {port}
        [twilio]
        auth_token = "{TOKEN}"
        {lab.configuration()}
        [agent.default]
        language = "en"
        greeting = "Hello, this is Chez Sesame."
        stt = ["lab"]
        llm = ["lab"]
        tts = ["lab"]
        [records]
        directory = "{records}"
        """


async def free_port() -> int:
    with trio.socket.socket() as probe:
        await probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_caller_is_heard_answered_and_may_interrupt(tmp_path: Path) -> None:
    port = await free_port()
    url = f"http://127.0.0.1:{port}"
    async with trio.open_nursery() as nursery:
        lab: Lab = await nursery.start(
            partial(run_lab, LabSettings(stt_port=0, tts_port=0, llm_port=0))
        )
        text = configuration(lab, port, tmp_path)
        settings = parse(text, "test", SecretSources({}, {}))
        await nursery.start(partial(daemon.run, settings))
        result: CallResult = await call(CallSettings(url=url, auth_token=TOKEN), SCRIPT)
        async with httpx.AsyncClient() as stranger:
            unsigned = await stranger.post(f"{url}/twilio/voice", data={"CallSid": "CA1"})
        nursery.cancel_scope.cancel()

    assert result.warnings == ()
    assert all(turn.answer_s is not None for turn in result.turns)
    assert result.turns[1].yield_s is not None, "the agent did not give way"
    menu, dishes = lab.llm.requests
    assert menu.messages[-1] == {"role": "user", "content": "what is on the menu"}
    *_, said, then = dishes.messages
    assert then == {"role": "user", "content": "wait do you have vegetarian dishes"}
    heard = said["content"].removesuffix("—")
    assert said["content"].endswith("—")
    assert menu.answer.startswith(heard)
    assert 2 <= len(heard.split()) <= 20
    assert unsigned.status_code == 403
