"""From the night to the merge: branches for review, their evidence, and races between commits."""
