"""What the catalog knows of each kind of event that is logged."""

from enum import IntEnum

from attrs import frozen


class Priority(IntEnum):
    """How much a record matters, as syslog counts."""

    CRIT = 2
    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@frozen
class Event:
    """One kind of event.

    `template` is what the log call gives as its message; it may be reworded. `name` and `id` stay
    as they are for good: people's filters and alerts hold on to the id. `subject` and `text` are
    what `journalctl -x` shows; `@FIELD@` in them is the value of a field. `modules` log it,
    where a template is that of other events too.
    """

    name: str
    id: str
    priority: Priority
    template: str
    subject: str
    text: str
    modules: tuple[str, ...] = ()
