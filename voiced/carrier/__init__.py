"""The carrier: Twilio's REST API over httpx, and where it may be told to call."""
