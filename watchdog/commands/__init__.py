"""What people type, each command a thin hand on the rooms of the flow."""
