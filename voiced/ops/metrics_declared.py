"""Every metric that voiced shows, and what it is good for.

`docs/metrics.md` is generated from this table. Lengths of time are in seconds.
"""

from typing import Final

from voiced.ops.metrics_kinds import (
    ANSWER_S,
    CALL_S,
    ENDINGS,
    ENDS,
    EXTRACTED,
    FAILURES,
    FAULTS,
    LATE_S,
    PART_S,
    PARTS,
    REFUSALS,
    ROLES,
    SILENCE_S,
    STAGES,
    STATES,
    TOOL_ENDS,
    By,
    Declared,
    Kind,
    Label,
)

ROLE, ENGINE, AGENT = Label("role", ROLES), Label("engine"), Label("agent")


def _counter(name: str, text: str, *labels: Label) -> Declared:
    return Declared(name, Kind.COUNTER, text, labels)


def _told(name: str, text: str) -> Declared:
    """A counter that somebody else keeps."""
    return Declared(name, Kind.COUNTER, text, by=By.LOOKING)


def _gauge(name: str, text: str, *labels: Label) -> Declared:
    return Declared(name, Kind.GAUGE, text, labels, by=By.LOOKING)


def _histogram(
    name: str, buckets: tuple[float, ...], text: str, labels: tuple[Label, ...] = ()
) -> Declared:
    return Declared(name, Kind.HISTOGRAM, text, labels, buckets)


# --- calls --------------------------------------------------------------------------------------

CALLS = _gauge(
    "voiced_calls",
    "Calls that are not over, by where in their life they are. Those on a media stream are `live`.",
    Label("stage", STAGES),
)
CALLS_FREE = _gauge(
    "voiced_calls_free",
    "Calls that server.max_calls still allows. The engines may allow fewer.",
)
READY = _gauge(
    "voiced_ready",
    "1 if a call of this agent would be taken now, else 0. At 0 for all of them nobody gets"
    " through.",
    AGENT,
)
DRAINING = _gauge("voiced_draining", "1 once a signal has come and new calls are refused, else 0.")
OPENED = _counter(
    "voiced_calls_opened_total",
    "Calls that were admitted and have a SID, by who rang whom: the load.",
    Label("direction", ("inbound", "outbound")),
    AGENT,
)
REFUSED = _counter(
    "voiced_calls_refused_total",
    "Calls that were not taken, by reason. `max-calls` and the slots tell that capacity is short.",
    Label("reason", REFUSALS, spare=8),
)
ENDED = _counter(
    "voiced_calls_ended_total",
    "Calls that are over, by reason. A rising share of anything but `hangup`, `agent` and"
    " `transferred` wants a look.",
    Label("reason", ENDS, spare=16),
)
FAILED = _counter(
    "voiced_calls_failed_total",
    "Calls that we lost: no spare engine was left, a bug, or a crash. Should stay at zero.",
    Label("reason", FAILURES),
)
DURATION = _histogram(
    "voiced_call_duration_seconds",
    CALL_S,
    "How long calls last, from the first media stream on. Sudden shortness means people give up.",
)
DROPS = _counter(
    "voiced_stream_drops_total",
    "Media streams that broke in a call that could still be saved: the network, or the carrier.",
)
EXTRACTIONS = _counter(
    "voiced_extractions_total",
    "Calls of which it was taken down what the agent wants to know, by what came of it. `failed`"
    " is the model's doing; many `partial` want clearer questions or a better model.",
    Label("status", EXTRACTED),
)

TOOLS = _counter(
    "voiced_tool_calls_total",
    "Tools that models asked for, by what came of them. `refused`: the arguments did not fit;"
    " `cancelled`: the caller interrupted, or the call ended; `denied`: its server said no."
    " All others but `ok` want a look at that server.",
    Label("tool"),
    Label("status", TOOL_ENDS),
)
TOOL_TIME = _histogram(
    "voiced_tool_seconds",
    PART_S,
    "How long a tool took. Meanwhile the caller waits for the answer, or hears that it takes time.",
    (Label("tool"),),
)

# --- turns --------------------------------------------------------------------------------------

TURNS = _counter(
    "voiced_turns_total",
    "Replies of the agent that are over, by how they ended.",
    Label("ending", ENDINGS),
)
ANSWER = _histogram(
    "voiced_answer_seconds",
    ANSWER_S,
    "From the caller's last sound to the first frame of the answer: what the caller waits.",
)
PART = _histogram(
    "voiced_answer_stage_seconds",
    PART_S,
    "The stages of an answer, each counted from the one before it: where the wait comes from.",
    (Label("stage", PARTS),),
)
EAGER_GAIN = _histogram(
    "voiced_eager_gain_seconds",
    PART_S,
    "How much later an answer would have come without a draft begun before the turn was over.",
)
DRAFTS = _counter(
    "voiced_drafts_total",
    "Replies begun before the turn was certainly over. Many misses are requests paid in vain.",
    Label("outcome", ("hit", "miss")),
)
FILLER = _histogram(
    "voiced_filler_seconds",
    PART_S,
    "From the question to a filler, said for want of an answer. Its count is how often that was.",
)
BARGE_INS = _counter(
    "voiced_barge_ins_total",
    "Replies that were cut off: by the caller's voice or keys, or by an operator.",
)
BARGE_IN = _histogram(
    "voiced_barge_in_seconds",
    LATE_S,
    "From the decision to cut a reply until the carrier was told to clear it; the worst of each"
    " call that had one. Over 0.005 the caller is talked over.",
)

# --- sound --------------------------------------------------------------------------------------

SILENCE = _histogram(
    "voiced_worst_silence_seconds",
    SILENCE_S,
    "The longest that a caller waited for us: for an answer or in the middle of one; one value"
    " for each call.",
)
PACER_LATE = _histogram(
    "voiced_pacer_late_seconds",
    LATE_S,
    "The latest that a frame left after its time; one value for each call. The carrier holds 0.1 s"
    " of sound, so beyond that it is heard.",
)
GAPS = _counter("voiced_gaps_total", "Holes that a caller heard in the middle of a reply.")
UNDERRUNS = _counter(
    "voiced_underruns_total",
    "Ticks of 20 ms with nothing to send in mid-reply. A few for each call are not heard; many are"
    " a voice slower than speech.",
)
PAUSES = _counter(
    "voiced_pauses_total",
    "Replies that were held to find out whether a noise was a word. Many are noisy lines.",
)
STT_DROPPED = _counter(
    "voiced_stt_dropped_seconds_total",
    "Caller's audio that was dropped since the STT was late: words that nobody understood.",
)
WIRE_ERRORS = _counter(
    "voiced_wire_errors_total", "Messages of the carrier that could not be used."
)
JUMPS = _counter(
    "voiced_sequence_jumps_total",
    "Gaps in the numbering of the carrier's messages: they were lost on their way.",
)

# --- engines ------------------------------------------------------------------------------------

ENGINE_FAILURES = _counter(
    "voiced_engine_failures_total",
    "Failures of an engine in a call, whether or not a spare went on.",
    ROLE,
    ENGINE,
    Label("reason", (*FAULTS, "error")),
)
FAILOVERS = _counter(
    "voiced_failovers_total",
    "Failures of an engine after which a spare went on: the caller hardly noticed, you should.",
    ROLE,
    ENGINE,
)
ENGINE_STATE = _gauge(
    "voiced_engine_state",
    "1 for the state an engine is in, else 0. `unknown`: it has not been asked, or never is.",
    ROLE,
    ENGINE,
    Label("state", STATES),
)
SLOTS = _gauge(
    "voiced_engine_slots",
    "Slots of an engine as it told last; absent where it tells none.",
    ROLE,
    ENGINE,
)
SLOTS_USED = _gauge(
    "voiced_engine_slots_used",
    "Of these the taken ones, by whomever. Close to all of them: the next calls are refused.",
    ROLE,
    ENGINE,
)
ENGINE_FREE = _gauge(
    "voiced_engine_calls_free",
    "Calls that an engine can still take; absent where nothing limits them.",
    ROLE,
    ENGINE,
)

# --- the daemon ---------------------------------------------------------------------------------

RECORDS_LOST = _told(
    "voiced_records_lost_total",
    "Records that could not be kept: the disk is full, or the database locked for too long.",
)
RECORDS_KEPT = _gauge(
    "voiced_records_kept",
    "1 while records can be written, else 0: calls go on, and wait in memory to be recorded.",
)
RECORDS_WAITING = _gauge(
    "voiced_records_waiting",
    "Records that are not on disk yet. They are lost from 4096 on.",
)
SCHEDULER_LATE = _histogram(
    "voiced_scheduler_late_seconds",
    LATE_S,
    "How late the event loop wakes a task whose time has come, tried four times a second: what"
    " every call on this machine suffers.",
)
SLOW_STEPS = _told(
    "voiced_slow_steps_total",
    "Steps of a task that held up the event loop for more than 10 ms; the log says which.",
)
BUILD = _gauge(
    "voiced_build_info",
    "Always 1; its labels say what runs.",
    Label("version"),
    Label("python"),
    Label("trio"),
)

SECTIONS: Final[dict[str, tuple[Declared, ...]]] = {
    "Calls": (
        CALLS, CALLS_FREE, READY, DRAINING, OPENED, REFUSED, ENDED, FAILED, DURATION, DROPS,
        EXTRACTIONS,
        TOOLS,
        TOOL_TIME,
    ),
    "Turns": (ANSWER, PART, TURNS, EAGER_GAIN, DRAFTS, FILLER, BARGE_INS, BARGE_IN),
    "Sound": (SILENCE, GAPS, UNDERRUNS, PAUSES, PACER_LATE, STT_DROPPED, WIRE_ERRORS, JUMPS),
    "Engines": (ENGINE_FAILURES, FAILOVERS, ENGINE_STATE, SLOTS, SLOTS_USED, ENGINE_FREE),
    "The daemon": (
        RECORDS_KEPT, RECORDS_WAITING, RECORDS_LOST, SCHEDULER_LATE, SLOW_STEPS, BUILD,
    ),
}  # fmt: skip
"""All of them, as the page shows them."""
