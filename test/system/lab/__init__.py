"""The lab: the way between a phone and its mail, as RFC 5383 draws it, from network namespaces on this machine.

    cli ---- nat ---- fw ---- dmz ---- fw2 ---- int
    phone    carrier  firewall servers  firewall store, auth

    with Lab() as lab, lab.serve() as server:
        with lab.cli.inside():
            c = Imap(lab.dmz.v4, 143)

docs/testing.md ("Network") explains it. A test needs `@needs_lab`, and its module `IS_LAB = True`.
"""
from .lab import Lab, needs_lab, supported
from .server import LabLimetta

__all__ = ['Lab', 'LabLimetta', 'needs_lab', 'supported']
