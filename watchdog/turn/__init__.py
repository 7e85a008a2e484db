"""How one turn walks through the rooms; it thinks, and touches nothing."""
