"""What really went wrong, below the wrappers of the libraries in between."""

import urllib3


def innermost(error: BaseException, otherwise: str = "") -> str:
    """Give the operating system's words for *error*, in lower case.

    Where it has none, *otherwise*, or the name of the error.
    """
    seen: BaseException | None = error
    words = otherwise or type(error).__name__
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        if isinstance(seen, TimeoutError | urllib3.exceptions.TimeoutError):
            words = "no answer in time"
        elif isinstance(seen, urllib3.exceptions.ProtocolError):
            words = str(seen.args[0]).lower()
        seen = seen.__cause__ or seen.__context__
    return words
