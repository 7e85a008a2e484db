"""What people write: settings, release files and the roster; read, or refused."""
