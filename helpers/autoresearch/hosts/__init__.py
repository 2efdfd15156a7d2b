"""What a host (Claude Code and others like it) calls: hooks and the status line.

Everything here but `install` runs by any Python from 3.8 on with the standard library alone
(`python3 -I -S`), starts no process on its usual way, and reads one small file that the helper
keeps beside its log.
"""
