"""What outlives a call: the database, recordings, webhooks."""
