"""Length-prefixed fields, as SSH writes them.

Source: RFC 4251 section 5.
"""


class Wire:
    """Bytes, read from the front; every method raises ValueError past their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def left(self) -> bool:
        """Whether anything is left to read."""
        return bool(self._data)

    def take(self, size: int) -> bytes:
        """Read *size* bytes."""
        if len(self._data) < size:
            raise ValueError("it ends too early")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def expect(self, magic: bytes, what: str) -> None:
        """Read *magic*, or say that this is not *what*."""
        if not self._data.startswith(magic):
            raise ValueError(f"it is not {what}")
        self._data = self._data[len(magic) :]

    def number(self, size: int = 4) -> int:
        """Read an unsigned number of *size* bytes."""
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        """Read a field with its length before it."""
        return self.take(self.number())

    def end(self) -> None:
        """Raise unless everything was read."""
        if self._data:
            raise ValueError("something follows its end")
