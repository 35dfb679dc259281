"""What a call holds (engine sockets, GPU slots), so that it can prove at its end that it let go.

The nursery proves it for tasks. Sockets and slots live in the engines' clients, which do not know
the call; they find its account through a context variable, as its log lines find its name.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_account: ContextVar[Counter[str] | None] = ContextVar("held", default=None)


@contextmanager
def account() -> Iterator[Counter[str]]:
    """Opens an account for everything held by this task and those it starts."""
    held: Counter[str] = Counter()
    token = _account.set(held)
    try:
        yield held
    finally:
        _account.reset(token)


@contextmanager
def holding(what: str) -> Iterator[None]:
    """Books something for as long as it is held."""
    held = _account.get()
    if held is None:
        yield
        return
    held[what] += 1
    try:
        yield
    finally:
        held[what] -= 1
