"""How PromQL writes times and numbers."""

from datetime import timedelta
from decimal import Decimal

_MILLISECOND = timedelta(milliseconds=1)


def duration(time: timedelta) -> str:
    """Write a duration as PromQL takes it: whole seconds, else milliseconds."""
    millis = round(time / _MILLISECOND)
    return f"{millis // 1000}s" if millis % 1000 == 0 else f"{millis}ms"


def offset(back: timedelta) -> str:
    """Write how far a selector looks back from the instant that is asked."""
    return f" offset {duration(back)}" if back else ""


def seconds(time: timedelta) -> str:
    """Write a duration as a plain number of seconds: ``60``, ``1.5``."""
    return plain(Decimal(round(time / _MILLISECOND)) / 1000)


def plain(value: Decimal) -> str:
    """Write a number without an exponent, and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
