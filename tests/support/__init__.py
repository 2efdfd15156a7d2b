"""What tests share: the git harness and the fake programs under test."""
