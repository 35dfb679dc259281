"""No phone, no keys, no GPU: stand-ins for the carrier and the engines."""
