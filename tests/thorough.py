"""How much is tried at random: enough for each change, and more in a campaign.

``make campaign`` sets ``THOROUGH=10``; then each of these tries ten times as much.
"""

import os

TIMES = int(os.environ.get("THOROUGH") or 1)
