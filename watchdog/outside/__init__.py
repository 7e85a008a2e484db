"""The sockets, programs and folders that more than one room uses."""
