"""The link is lost for a while, the address stays: connections stay, too, and what was on its way arrives (D22, D23).

How long: LIMETTA_LINK_DOWN_S, else 40 s. The servers' patience and TCP's are in real seconds, so nothing here is scaled; at night 120 and 600.
"""
import os

from lab import Lab, needs_lab, transfer

IS_LAB = True
DOWN_S = int(os.environ.get('LIMETTA_LINK_DOWN_S', '40'))


@needs_lab
def test_the_radio_is_gone(_):
    """Mid-APPEND, mid-FETCH, mid-BDAT, mid-IDLE, IPv4 and IPv6, all through one tunnel."""
    with Lab() as lab, lab.serve(users=transfer.USERS) as server:
        transfer.prepare(lab, server)
        transfer.interrupt(lab, server, (transfer.append, transfer.fetch, transfer.submit, transfer.idle), (lab.dmz.v4, lab.dmz.v6),
                           lab.nat.while_cut('out0'), DOWN_S)


@needs_lab
def test_the_server_is_cut_off(_):
    """The same on the other side of the firewall, for half as long."""
    with Lab() as lab, lab.serve(users=transfer.USERS) as server:
        transfer.prepare(lab, server)
        transfer.interrupt(lab, server, (transfer.append, transfer.fetch, transfer.submit), (lab.dmz.v4, lab.dmz.v6), lab.fw.while_cut('in0'),
                           DOWN_S / 2)
