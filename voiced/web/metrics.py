"""`GET /metrics`: what Prometheus reads. `Gate` has judged who asks."""

import trio
from quart import Response
from quart_trio import QuartTrio

from voiced.ops.metrics import CONTENT_TYPE, Exposition


def register(app: QuartTrio, exposition: Exposition) -> None:
    """Puts the route on the application."""

    @app.get("/metrics")
    async def metrics() -> Response:
        """Between two pages the calls have their turn."""
        body = bytearray()
        for page in exposition.pages():
            body += page
            await trio.lowlevel.checkpoint()
        return Response(bytes(body), content_type=CONTENT_TYPE)
