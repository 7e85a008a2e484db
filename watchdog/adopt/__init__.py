"""What was found of somebody's stack into the files that watch it; pure."""
