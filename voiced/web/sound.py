"""A recording as an answer: whole, or the part that a player asks for."""

from pathlib import Path

import trio
from quart import Response, request, send_file
from quart_trio.wrappers.response import TrioFileBody


class Sound(TrioFileBody):
    """A file of which a part may be asked for, also from its end and beyond it.

    quart-trio reads neither "the last 500 bytes" nor "up to" more than there is.

    Source: RFC 9110, section 14.1.2.
    """

    async def make_conditional(
        self, begin: int, end: int | None, max_partial_size: int | None = None
    ) -> int:
        """Chooses the bytes from `begin` (negative: counted from the end) up to `end`."""
        start = max(0, self.size + begin) if begin < 0 else begin
        stop = self.size if end is None else min(end, self.size)
        size: int = await super().make_conditional(start, stop, max_partial_size)
        return size


async def answer_with(path: Path) -> Response:
    """The file, for whoever asked and for no cache that others share.

    Raises:
        OSError: it is no file, or cannot be read.
        RequestedRangeNotSatisfiable: there is no such part of it.
    """
    if not await trio.Path(path).is_file():
        raise FileNotFoundError(path.name)
    response = await send_file(str(path), mimetype="audio/wav")
    response.response = Sound(path)
    response.timeout = None  # a long one over a slow line takes what it takes
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, no-cache"
    size = response.content_length
    await response.make_conditional(request, accept_ranges=True, complete_length=size)
    return response
