"""One partition of a dataset: a label and its files."""

from __future__ import annotations

from typing import Any


class Partition:
    """A label and a map from table to key."""

    def __init__(self, label: str, files: dict[str, str] | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.label = label
        self.files = {} if files is None else files
        self.metadata = {} if metadata is None else metadata

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Partition):
            return False
        return self.label == other.label and self.files == other.files and self.metadata == other.metadata

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Partition({self.label!r}, {self.files!r})"

    @staticmethod
    def from_dict(label: str, dct: str | dict[str, dict[str, str]]) -> Partition:
        """Read a partition out of the main document."""
        if isinstance(dct, str):
            raise ValueError(
                "Trying to load a partition from a string. Probably you are trying to load an external reference."
            )
        return Partition(label, files=dct["files"], metadata=dct.get("metadata", {}))

    def to_dict(self, version: Any = None) -> dict[str, dict[str, str]]:
        """Return the partition as the main document has it."""
        return {"files": self.files}
