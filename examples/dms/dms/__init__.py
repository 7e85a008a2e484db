"""The dispatch system under watch: it routes scans, and breaks when it is told to."""
