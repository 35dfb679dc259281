"""The catalog's events of calls."""

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
        "What it asked for is not done, and it is told so: it may ask again in another way. A"
        " better model helps, or clearer names and descriptions of tools and transfers.",
    ),
    Event(
        "no-digest",
        "7b89bf2750a842f5ad8424839e6dec9c",
        Priority.WARNING,
        "what was said first in a long call is not summed up: %s",
        "A long call is not summed up for its model",
        "It is tried again half a minute later. Until then the model is told what fits"
        " history_tokens; what was said first it does not know any more.",
    ),
    Event(
        "tool-used",
        "6cbec0b5bca24125a66053ea109db2d0",
        Priority.INFO,
        "tool used",
        "The model used tool @TOOL@: @STATUS@",
        "TOOL_MS is how long it took. STATUS is ok, refused (its arguments did not fit), cancelled"
        " (the caller interrupted, or the call ended), denied (its server said no), or what was"
        " wrong with the answer.",
    ),
    Event(
        "tool-failed",
        "e0651e8099a244d691abc1ef4401610e",
        Priority.WARNING,
        "a tool failed: %s",
        "Tool @TOOL@ failed: @STATUS@",
        "The model has been told something short, and goes on with that. After a timeout the"
        " server may have done what was asked all the same.",
    ),
    Event(
        "tool-loop",
        "51a30e7d25c24c2485d6f53ae136c3e4",
        Priority.WARNING,
        "the model goes on asking for tools; it is not followed",
        "The model asked for tools again and again",
        "A reply may ask for tools three times; then it has to be words. A better model helps, or"
        " tools whose answers say what to do next.",
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
        "call-learnt-from",
        "415b7bd82fd94099bd323cdea7a403d7",
        Priority.INFO,
        "learnt from a call",
        "Call @CALL_SID@ has been learnt from: @STATUS@",
        "What the agent wants to know of its calls was looked for in what was said. STATUS is"
        " complete, partial (something required is missing, or did not fit), failed, or empty (the"
        " caller said nothing). `voiced show` shows what was found.",
    ),
    Event(
        "not-learnt",
        "b0cd6cf277764ff0be1563d9dbdfff3a",
        Priority.WARNING,
        "nothing more is learnt from a call: %s",
        "The model failed while a call was learnt from",
        "What it had found before is kept. `POST /v1/calls/SID/extract` tries again.",
    ),
    Event(
        "too-many-to-learn-from",
        "3fe3853dda8f4ceb8a4dcc318c8c307b",
        Priority.WARNING,
        "too many calls wait to be learnt from",
        "Nothing is learnt from call @CALL_SID@",
        "More than 256 calls wait for the model, or voiced is being stopped."
        " `POST /v1/calls/SID/extract` tries again.",
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
