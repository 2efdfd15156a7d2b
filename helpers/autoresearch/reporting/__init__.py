"""What a session looks like from outside."""
