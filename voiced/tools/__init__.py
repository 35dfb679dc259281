"""What a model can do in the world beside the call: requests to the owner's own services."""
