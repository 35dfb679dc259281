"""JSON Schema as tools and extraction use it: is a schema right, and does a value fit it? Pure.

It is a subset: what models are good at, and what most servers that promise a form can promise.

Source: JSON Schema, draft 7.
"""

from voiced.schema.keywords import MAX_DEPTH, MAX_PROPERTIES, Path, faults, is_json
from voiced.schema.validator import Validator

__all__ = ["MAX_DEPTH", "MAX_PROPERTIES", "Path", "Validator", "faults", "is_json"]
