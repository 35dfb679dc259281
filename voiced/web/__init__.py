"""The HTTP side: the carrier's webhooks, the media socket, health."""
