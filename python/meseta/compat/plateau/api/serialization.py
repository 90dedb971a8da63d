"""All serialisers, and conditions."""

from ..serialization import *  # noqa: F403
