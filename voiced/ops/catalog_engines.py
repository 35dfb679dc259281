"""The catalog's events of the engines."""

from typing import Final

from voiced.ops.catalog_kinds import Event, Priority

ENGINES: Final = (
    Event(
        "nearly-routed",
        "3fada3997b8d4621889f5530d139f363",
        Priority.INFO,
        "nearly routed",
        "What a caller said is nearly an intent: @INTENT@",
        "It was left to the model. SCORE is below the agent's intent_threshold, or no more than"
        " intent_margin above NEXT_SCORE, the next intent's. `voiced route TEXT` tries phrases.",
    ),
    Event(
        "intents-otherwise",
        "a436077ba6334011aecbbb8ca4b07ae5",
        Priority.WARNING,
        "intents are compared by other means",
        "Intents are compared by @BY@ now",
        "By n-grams while the embeddings do not answer in time, or their vectors have changed"
        " their length; REASON says why. Routing goes on, by letters instead of by meaning.",
    ),
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
