"""A manifest's seal: who signed which bytes, and whether that counts here."""
