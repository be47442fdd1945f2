"""A program's own view of the file system: mounts that nobody else sees, and that are gone with it. Needs root."""

from __future__ import annotations


def after_mounting(*commands: str) -> tuple[str, ...]:
    """Return the command (for ``Sidecar.under``) that starts a program after these, in a mount namespace of its own."""
    script = " && ".join([*commands, 'exec "$@"'])
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
