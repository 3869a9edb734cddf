"""Two flows compared: rows of what is the same, what changed, what is missing on either side."""
