"""The sections of ``config/watchdog.yaml``, each into frozen values."""
