"""The catalog's events of the daemon itself."""

from typing import Final

from voiced.ops.catalog_kinds import Event, Priority

DAEMON: Final = (
    Event(
        "listening",
        "104d6ff4cd2144c4abd21cb169350dac",
        Priority.NOTICE,
        "listening",
        "voiced takes calls",
        "Port @PORT@ is open.",
    ),
    Event(
        "ready",
        "9fe56c36819043ee8fae728e96d4cef4",
        Priority.NOTICE,
        "ready: %s",
        "voiced is ready",
        "The engines have been asked. The message says what can be taken; `systemctl status` says"
        " it at any time.",
    ),
    Event(
        "draining",
        "d0c7900682b349d086fbfc02113dc266",
        Priority.NOTICE,
        "draining",
        "voiced is stopping, and waits for the calls under way",
        "It takes no new calls. So many are live: @CALLS@. They may go on for server.drain_s; then"
        " they say goodbye. A second signal ends them at once.",
    ),
    Event(
        "ending-at-once",
        "6f8b40cb0835405d918eac76a52aa742",
        Priority.WARNING,
        "a second signal: ending at once",
        "A second signal has ended all calls",
        "The calls that were under way are recorded with the reason cancelled.",
    ),
    Event(
        "stopped-early",
        "94c01c9b83e94d13848071c67976323b",
        Priority.NOTICE,
        "stopped before it had started",
        "voiced was stopped before it had started",
        "A signal came while the engines were being asked. No call was taken yet.",
    ),
    Event(
        "port-handed-over",
        "d39d4b2db59e43fd9f36d9b5959a5bbe",
        Priority.NOTICE,
        "another daemon has taken over the port",
        "Another voiced has taken over the port",
        "This is what an upgrade does: the other one takes the new calls, this one ends when its"
        " own are over.",
    ),
    Event(
        "configuration-doubtful",
        "4a6ebe0aedee4a0aa7da6ad4efd46e51",
        Priority.WARNING,
        "%s",
        "Something in the configuration is likely not as it should be",
        "The message says what, and what follows from it. voiced runs all the same.",
        modules=("voiced.cli",),
    ),
    Event(
        "port-elsewhere",
        "7e58b983f292403fb1ae6e9e33eb1faf",
        Priority.WARNING,
        "voiced's own commands ask at server.port",
        "The port is not the one of the configuration",
        "voiced was given port @PORT@, and server.port is @SERVER_PORT@: `voiced calls` and the"
        " like would ask there. Make voiced.socket and server.port the same.",
    ),
    Event(
        "configuration-refused",
        "7429162feda14ab49e8cded506b779bd",
        Priority.ERR,
        "the configuration is not taken, since %s",
        "The configuration that was to be read again has a problem",
        "Nothing has changed: calls go by the configuration from before. Mend what the message"
        " says, and reload again; `voiced config` tries the file.",
    ),
    Event(
        "configuration-taken-doubtful",
        "7d0e679e64294aac81e620b2e6f18998",
        Priority.WARNING,
        "the configuration is taken, but %s",
        "Something in the new configuration is likely not as it should be",
        "The message says what, and what follows from it. New calls go by it all the same.",
    ),
    Event(
        "configuration-restart",
        "bab93e61710440f3b8cdf9e5dffe68d8",
        Priority.WARNING,
        "voiced must be restarted for some keys",
        "Some of the new configuration counts after a restart only",
        "KEYS are those; the others are taken.",
    ),
    Event(
        "configuration-same",
        "429a3998fbbd479e8e5dce64b0f9e325",
        Priority.NOTICE,
        "the configuration is as it was",
        "The configuration was read again, and is as it was",
        "Nothing has changed.",
    ),
    Event(
        "configuration-taken",
        "50766065ed774eda93dde7eccbe6f983",
        Priority.NOTICE,
        "the configuration is taken: new calls go by it",
        "The configuration was read again",
        "New calls go by it; those under way keep what they have.",
    ),
    Event(
        "daemon-bug",
        "9ffe5344574444c4aee8890df95d6bb4",
        Priority.ERR,
        "voiced met a bug and ends; please report what follows",
        "A bug has ended voiced",
        "systemd starts it again, and calls that were live are fetched back. Please report it, with"
        " TRACEBACK.",
    ),
    Event(
        "journal-diverted",
        "1e4bdb600b6a4bfa8780f35baf9bad41",
        Priority.WARNING,
        "the journal took no records for a while: they stand in it as plain text",
        "Records came into the journal as plain text",
        "journald was away or behind. @DIVERTED@ records went over standard error instead: they are"
        " in the journal without their fields.",
    ),
    Event(
        "journal-lost",
        "18ab687869ce4fa185bcf5daca59e57e",
        Priority.ERR,
        "records of the log are lost: the journal took none for a while",
        "@LOST@ records of the log are lost",
        "journald was away or behind, and standard error took no more either. Calls and their"
        " records in the database are not concerned. Look at how busy the disk is.",
    ),
    Event(
        "notify-address",
        "74b320baf6d34c388211477c4769c9f2",
        Priority.WARNING,
        "NOTIFY_SOCKET is neither a path nor @ and a name: systemd is told nothing",
        "systemd cannot be told how voiced is",
        "The environment names an address that is none. With Type=notify the service does not get"
        " past its start.",
    ),
    Event(
        "notify-failed",
        "d38fa4bb3257422ba292fe69813f4637",
        Priority.WARNING,
        "systemd cannot be told how the daemon is: %s",
        "systemd cannot be told how voiced is",
        "The message says why. Calls are served; a watchdog that is not fed has systemd restart"
        " voiced.",
    ),
    Event(
        "watchdog-interval",
        "9821488b014e46748b96372beed91bd4",
        Priority.WARNING,
        "WATCHDOG_USEC is no number of microseconds: there is no watchdog",
        "voiced runs without a watchdog",
        "The environment gives an interval that is none.",
    ),
    Event(
        "watchdog-starved",
        "6f5cc090d3db4299a840b13ed8942028",
        Priority.ERR,
        "the watchdog is not fed: %s",
        "The watchdog is not fed",
        "Something in voiced stands still; the message says what. If it stays so, systemd kills the"
        " daemon and starts it again.",
    ),
    Event(
        "watchdog-fed",
        "b23ae8749d0e4f69b41262541ec2bfc7",
        Priority.NOTICE,
        "the watchdog is fed again",
        "The watchdog is fed again",
        "What stood still goes on.",
    ),
    Event(
        "too-many-daemons",
        "11c1c210bac8414db0dc6fcbf700ca5c",
        Priority.WARNING,
        "too many daemons share the listening socket: an upgrade may refuse calls",
        "Too many daemons share the listening socket",
        "Several versions of voiced drain at once. Until some have ended, an upgrade may refuse"
        " calls.",
    ),
)
