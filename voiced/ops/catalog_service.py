"""The catalog's events of Twilio, of the records and webhooks, and of the daemon itself."""

from typing import Final

from voiced.ops.catalog_kinds import Event, Priority

TWILIO: Final = (
    Event(
        "webhook-unsigned",
        "6a541cd4d8ae45d4a5c3f7f16c49960d",
        Priority.WARNING,
        "refused a webhook that Twilio did not sign: if it was Twilio's, check twilio.auth_token"
        " and server.public_url",
        "A webhook that Twilio did not sign was refused",
        "A stranger sent it; or twilio.auth_token is not that of the number's account; or"
        " server.public_url is not, to the letter, the address that Twilio calls. Told once a"
        " minute at most; OTHERS counts those untold.",
    ),
    Event(
        "socket-unsigned",
        "6c137f858c854e09b8eb7fbe6b6fa889",
        Priority.WARNING,
        "refused a media socket that Twilio did not sign",
        "A media socket that Twilio did not sign was refused",
        "A stranger opened it; or the proxy does not pass on X-Twilio-Signature with the upgrade of"
        " /twilio/media/. Told once a minute at most; OTHERS counts those untold.",
    ),
    Event(
        "socket-without-token",
        "ea31aa60b35e45ebba5e36e58972d929",
        Priority.WARNING,
        "refused a media socket whose token is unknown, used or expired",
        "A media socket without a valid token was refused",
        "A token is good for one socket of one call, within 60 s. It came late or twice, or after a"
        " restart of voiced; or two voiced share one address.",
    ),
    Event(
        "too-many-connections",
        "4ca9b72977c8459f803d90835636f91b",
        Priority.WARNING,
        "refused a connection: too many at once",
        "A connection was refused: too many are open",
        "More than voiced holds open at once; calls under way do not count. It may be a flood.",
    ),
    Event(
        "socket-without-call",
        "77ba7e47fd9346379c43fb667cd1f6b8",
        Priority.WARNING,
        "closed a media socket that brought %s",
        "A media socket brought no call",
        "No start came within 10 s, or that of another call: a stranger, or a proxy that holds"
        " messages back.",
    ),
    Event(
        "socket-malformed",
        "b4ab14181521494a95797af9b1e81225",
        Priority.WARNING,
        "closed a media socket whose start is malformed: %s",
        "A media socket began with what Twilio would not send",
        "The message says what was wrong with it.",
    ),
    Event(
        "carrier-retried",
        "f79c5e9f79db4742b4c1ccb12b2ac6af",
        Priority.WARNING,
        "Twilio's REST API failed; asking again",
        "Twilio's REST API failed",
        "It is asked up to three times. What was wanted is in DEED, what went wrong in ERROR.",
    ),
    Event(
        "carrier-refused",
        "e63398887e954fa9a0ee963555374eeb",
        Priority.WARNING,
        "the carrier did not do as asked: %s",
        "Twilio did not limit, end or fetch back a call",
        "The message says why; CODE, where there is one, is Twilio's own number for the fault.",
    ),
    Event(
        "carrier-behind",
        "3883f2870cab4f4b879415df3244cc2b",
        Priority.ERR,
        "too many requests to the carrier are waiting; one is dropped",
        "A request to Twilio was dropped: too many wait",
        "Twilio's API is slow or away. A call that should have been limited, ended or fetched back"
        " was not.",
    ),
    Event(
        "left-call-unknown",
        "9c8944595e7f4ad4afd8902d913a4b52",
        Priority.WARNING,
        "a call of the run before cannot be asked for: %s",
        "What became of a call of the run before is not known",
        "Twilio's API is away. The call is closed with the reason crash, and Twilio is asked to end"
        " it.",
    ),
    Event(
        "left-call-transferred",
        "561ab8564ee04942b8376ccb1fbba089",
        Priority.INFO,
        "a transferred call of the run before goes on",
        "Transferred call @CALL_SID@ of the run before goes on",
        "Twilio still has it. It is closed when Twilio tells that it has ended.",
    ),
    Event(
        "left-call-fetched",
        "e9df4496f23141b5b5f21d4baaaf19b5",
        Priority.WARNING,
        "fetching back a call of the run before",
        "Call @CALL_SID@ of the run before is fetched back",
        "Twilio still had it after voiced crashed. The caller hears the agent's `resumed`.",
    ),
    Event(
        "left-call-closed",
        "88b777ea2275446781f66c0101a3d7ba",
        Priority.WARNING,
        "a call of the run before is closed: %s",
        "Call @CALL_SID@ of the run before is closed",
        "Twilio had it no more, or cannot be asked for lack of an account.",
    ),
)

RECORDS: Final = (
    Event(
        "records-not-opened",
        "a176bbe926754d3daca97970eb1081a4",
        Priority.ERR,
        "calls are answered, and nothing is recorded: %s",
        "The records cannot be opened",
        "Calls are answered; nothing of them is kept for now. It is tried again as calls come. The"
        " message says what to mend.",
    ),
    Event(
        "records-corrupt",
        "9336ac3ed1274fb398fd651a5f41959e",
        Priority.ERR,
        "the records were corrupt and have been moved aside; new ones are begun",
        "The records were corrupt",
        "The database was not sound. It has been moved to @FILE@, and a new one is begun. Try"
        " `sqlite3 FILE .recover` on a copy.",
    ),
    Event(
        "records-not-moved",
        "bafabaf52e344efda4363658d9a4d962",
        Priority.ERR,
        "%s",
        "Corrupt records could not be moved aside",
        "The database is not sound, and a new one could not be begun in its place. It is tried"
        " again; until then nothing is recorded. The message says what was wrong.",
        modules=("voiced.records.recorder",),
    ),
    Event(
        "records-waiting",
        "47c9355b3351494eaac161d0d3c0eac4",
        Priority.ERR,
        "records cannot be written, and wait: %s",
        "Records cannot be written",
        "The disk is full, or another program holds the database. Up to 4,096 records wait; nothing"
        " is lost yet. Free space, or end that program.",
    ),
    Event(
        "records-overflowed",
        "81b21c0776d54b55bedf92274c172e20",
        Priority.ERR,
        "records are lost: they cannot be written, and too many wait",
        "Records are being lost",
        "More than 4,096 wait, and the newest are dropped. Free space on the disk, or end the"
        " program that holds the database.",
    ),
    Event(
        "records-lost",
        "ef9b18becea547d4a0124bd046259c35",
        Priority.ERR,
        "records are lost: they could not be written",
        "@LOST@ records are lost",
        "They could not be written before the daemon ended.",
    ),
    Event(
        "record-lost",
        "2759c4a23a064ac6a812b11ae9dcca21",
        Priority.ERR,
        "a record is lost: it cannot be written",
        "The database refuses a record",
        "The others are written. Please report it, with the fields RECORD and ERROR.",
    ),
    Event(
        "records-written-again",
        "7391d745275641a1a15fa6f9cc56203a",
        Priority.WARNING,
        "records are written again",
        "Records are written again",
        "The trouble is over; @LOST@ records are missing.",
    ),
    Event(
        "left-calls-unknown",
        "338fde2e91c24b1aa92a8e8dc78aacad",
        Priority.ERR,
        "what the run before left behind is not known: %s",
        "The records could not be read at the start",
        "Calls that the run before left open are not settled. The message says what was wrong.",
    ),
    Event(
        "records-kept",
        "548a051e679846579541142784f89eff",
        Priority.WARNING,
        "old records are kept for now: %s",
        "Old records could not be deleted",
        "What records.retention_days wants deleted is still there. Tried again within the hour.",
    ),
    Event(
        "files-kept",
        "7ac33028b0dd409ab1c212f6f11cc900",
        Priority.WARNING,
        "old files cannot be deleted",
        "Old recordings could not be deleted",
        "What records.retention_days wants deleted is still there; ERROR says why. Tried again the"
        " next day.",
    ),
    Event(
        "files-deleted",
        "96b50cbb3b794eb5b663409c3dceb612",
        Priority.INFO,
        "old files deleted",
        "@FILES@ old recordings were deleted",
        "They were older than records.retention_days.",
    ),
    Event(
        "webhook-failing",
        "f9cd83cfb2cc4727b8db1ea447ae3a07",
        Priority.WARNING,
        "a webhook fails",
        "Webhook @WEBHOOK@ fails",
        "Its endpoint did not take an event; STATUS or ERROR says why. Events wait and are sent"
        " again. Logged once, when it begins.",
    ),
    Event(
        "webhook-well",
        "15a23f7726094b90bbcb30de87e683df",
        Priority.NOTICE,
        "a webhook works again",
        "Webhook @WEBHOOK@ works again",
        "What waited for it is being sent.",
    ),
    Event(
        "webhooks-given-up",
        "3a2fbdd5819648a9a63ecf4bea436040",
        Priority.ERR,
        "webhooks are given up, the oldest first: too many wait",
        "Events for webhooks are being given up",
        "More than 10,000 wait. Look at the endpoint that fails, or take it out of the"
        " configuration.",
    ),
    Event(
        "outbox-unreadable",
        "d9086fb0a6254df5ba5ba9c7a11c5560",
        Priority.WARNING,
        "the webhooks' outbox cannot be read",
        "The webhooks that wait cannot be read",
        "The database is in trouble. Tried again every 30 s.",
    ),
)
