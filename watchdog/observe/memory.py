"""How much memory the box could still give."""

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")  # in a container it is the machine's, too


def free_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Give it in bytes, by the kernel's own estimate; None where it makes none."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None
