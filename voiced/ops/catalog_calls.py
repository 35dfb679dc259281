"""The catalog's events of calls, and of the engines that serve them."""

from typing import Final

from voiced.ops.catalog_kinds import Event, Priority

CALLS: Final = (
    Event(
        "call-admitted",
        "e0aff9bc8cdb411292d86935720127c4",
        Priority.INFO,
        "call admitted",
        "Call @CALL_SID@ may come",
        "There is room for the call, and it is kept: Twilio has asked what to do with it, or was"
        " told to ring. It begins when its media stream opens.",
    ),
    Event(
        "call-closed",
        "40f2101b5ea746129afe882846bddaea",
        Priority.INFO,
        "call closed",
        "Call @CALL_SID@ is over: @REASON@",
        "The call ended while it had no media stream: nobody answered, it never connected, or it"
        " had been put through to somebody else.",
    ),
    Event(
        "stream-broken",
        "87aa05e9cf594b0998b6c94cbeda5787",
        Priority.WARNING,
        "the media stream broke; the call is fetched back",
        "The line of call @CALL_SID@ broke: @REASON@",
        "The connection between Twilio and voiced was lost in the middle of the call. Twilio is"
        " asked to connect it again, once; the caller then hears `resumed`. If it happens often,"
        " look at the proxy and the network.",
    ),
    Event(
        "call-started",
        "6769582deaa549d9ab83e1a1795226fc",
        Priority.INFO,
        "call started",
        "Call @CALL_SID@ has begun",
        "The media stream of the call is open; the agent is @AGENT@. A call that comes back, from a"
        " transfer or after its stream broke, begins and ends once for each stream.",
    ),
    Event(
        "turn-ended",
        "4caf83a3503644bca772afe35a2e0c64",
        Priority.INFO,
        "turn ended",
        "Turn @TURN@ of a call is over: @ENDING@",
        "One of the agent's replies is over. LATENCY_MS, where the caller heard it, is the wait"
        " from the last sound on the line to the first frame of the answer; STAGE is the part of it"
        " that took longest, and each part stands in a field of its own.",
    ),
    Event(
        "call-ended",
        "1eaf5cc230794057aceb56e9ca006856",
        Priority.INFO,
        "call ended",
        "Call @CALL_SID@ has ended: @REASON@",
        "The media stream of the call is over; this record sums it up. Look at REASON, at"
        " LATENCY_MS (the median wait for an answer) and at WORST_SILENCE_MS first. `voiced show`"
        " draws the whole call.",
    ),
    Event(
        "call-refused",
        "46a91981a036429881ed623704d3a313",
        Priority.NOTICE,
        "call refused",
        "A call was not taken: @REASON@",
        "The caller heard the agent's busy sentence, or was put through to overflow_number. With"
        " max-calls, raise server.max_calls if the GPU carries more; with stt-slots or tts-slots,"
        " more slots are needed; with ...-unreachable, the engine does not answer; with draining,"
        " the daemon is stopping; with duplicate, the call is live already, or over.",
    ),
    Event(
        "call-bug",
        "78348d4c99a048c386ea70911342cd82",
        Priority.ERR,
        "the call met a bug and is ended",
        "A bug in voiced has ended a call",
        "The caller heard the apology, and the daemon goes on. Please report it, with TRACEBACK.",
    ),
    Event(
        "call-left-something",
        "e4c28c68436449a09426e63c21eae964",
        Priority.ERR,
        "the call left something behind",
        "An engine's connection has outlived its call",
        "The fields say which. This is a bug in voiced: please report it.",
    ),
    Event(
        "unknown-tool",
        "65a0026968c54942afe312b8e5ed1126",
        Priority.WARNING,
        "the model asked for a tool, or in a way, that there is not",
        "The model asked for a tool that there is not",
        "What it asked for is not done; its reply is said all the same. A better model helps, or"
        " clearer names in the agent's transfers.",
    ),
    Event(
        "no-summary",
        "fb5779ae015d4e01b25a5d3cff2a4240",
        Priority.WARNING,
        "no summary for the transfer: %s",
        "A warm transfer goes without its summary",
        "The model failed to sum up the call. The caller is put through without a summary, or with"
        " the part of it that came.",
    ),
    Event(
        "recording-stopped",
        "4eaaa9a99ab448f1a052812b2c295ba1",
        Priority.ERR,
        "the recording stopped: %s",
        "A call's recording has stopped",
        "The disk is full, has failed, or is a minute behind. What was written plays, and the call"
        " goes on. Look at the disk that holds @PATH@.",
    ),
    Event(
        "stt-failed",
        "af83abe69f334a98a3476ff34de98905",
        Priority.WARNING,
        "%s",
        "The STT failed in a call, and no spare was left",
        "The caller heard the apology, and was put through or heard the goodbye. The message says"
        " what was wrong; `voiced check` tries the engine for real.",
        modules=("voiced.call.call",),
    ),
    Event(
        "reply-failed",
        "02b2f15791da4dd48a346fe529750b87",
        Priority.WARNING,
        "%s",
        "The model or the voice failed in a reply, and no spare was left",
        "The caller heard the apology, and was put through or heard the goodbye. The message says"
        " what was wrong; `voiced check` tries the engine for real.",
        modules=("voiced.call.reply",),
    ),
    Event(
        "said-in-part",
        "4bf1688402bb4d0cad08ca0a9686c4b6",
        Priority.WARNING,
        "said in part: %s",
        "Some of what was to be said was not",
        "Of several phrases that the live voice had to say, it failed in some. The message says"
        " what was wrong with it.",
    ),
    Event(
        "spare-took-over",
        "c56b4edf260442f9b2f342f297b0cbf5",
        Priority.WARNING,
        "%s",
        "An engine failed in a call, and its spare goes on",
        "The caller heard a pause at most. The spare is @SPARE@. The message says what was wrong"
        " with the engine; if it comes often, `voiced check` tries the engine for real.",
        modules=("voiced.house",),
    ),
)

ENGINES: Final = (
    Event(
        "engine-away",
        "290b09167d3445b9863f55f66cc47314",
        Priority.WARNING,
        "an engine is away: %s",
        "An engine does not answer",
        "It missed twice in a row. Calls of agents that have no other engine for its part are"
        " refused until it is back. Look whether its server runs and can be reached.",
    ),
    Event(
        "engine-back",
        "ef74b58aa773498aa449b78ffcf3ee31",
        Priority.NOTICE,
        "an engine is back: %s",
        "An engine answers again",
        "Its agents take calls again.",
    ),
    Event(
        "not-warm",
        "d35efb148ffd485eb3bc9c930c223101",
        Priority.WARNING,
        "cannot warm up: %s",
        "A model cannot be kept warm",
        "Its server is away, or refuses the key. It is tried again every 45 s; this is logged once,"
        " until it has worked again.",
    ),
    Event(
        "phrases-missing",
        "a02470b1cec447e5be88467ac117d70a",
        Priority.WARNING,
        "agent %s lacks phrases by heart, trying again: %s",
        "An agent's phrases could not be rendered",
        "One of the agent's voices is away. Tried again after 5, 15, then every 60 s; until then"
        " the live voice says them.",
    ),
    Event(
        "phrase-not-kept",
        "9914184c54484fe5a9afafa005ff9e54",
        Priority.WARNING,
        "cannot keep a phrase of agent %s on disk: %s",
        "A rendered phrase could not be written to disk",
        "The phrase is in memory, and has to be rendered again at the next start. Make"
        " records.directory writable.",
    ),
    Event(
        "phrases-ready",
        "b485549d3d714ceeb57c949b1c74d1d1",
        Priority.INFO,
        "the agents' phrases are at hand",
        "The agents' phrases are at hand",
        "Every phrase that is the same in each call is rendered or loaded.",
    ),
    Event(
        "deepgram-connected",
        "9073e8d277764fc4882ce10e49bc60a4",
        Priority.INFO,
        "Deepgram is connected",
        "Deepgram hears a call",
        "Deepgram knows this stream as @REQUEST_ID@: quote it when you ask Deepgram about the"
        " call.",
    ),
    Event(
        "deepgram-warns",
        "4df8e851d06d4b60ad40efa31f8cb2a1",
        Priority.WARNING,
        "Deepgram warns",
        "Deepgram warns of something: @CODE@",
        "The call goes on. Deepgram's documentation explains the code.",
    ),
    Event(
        "voice-connected",
        "97f60cfc7ae042a189b71b0c81c7cc7b",
        Priority.NOTICE,
        "connected again",
        "The connection to voice @ENGINE@ is there again",
        "Replies use it from now on.",
    ),
    Event(
        "voice-not-connected",
        "4a82df87b7eb4bc1a594daf7444cf809",
        Priority.WARNING,
        "cannot keep a connection: %s",
        "There is no connection to a voice",
        "It is tried again and again; this is logged once, until it has worked again.",
    ),
    Event(
        "voice-connection-dead",
        "2c64ce38c5cb4ae097c56f15cb1e3327",
        Priority.WARNING,
        "the connection is dead",
        "The connection to voice @ENGINE@ is dead",
        "Nothing came back over it. A new one is made at once.",
    ),
    Event(
        "slow-step",
        "998f4a4cf0294f79b6a496d7d138659e",
        Priority.WARNING,
        "a task held up the event loop",
        "No call was served for @WALL_MS@ ms",
        "A task had the event loop for itself for more than 10 ms. At most one is told a second;"
        " UNREPORTED counts those left out. BUSY_MS far below WALL_MS: the machine gave the core to"
        " another program; it needs more cores, or fewer neighbours.",
    ),
)
