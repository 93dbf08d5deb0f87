#ifndef LIMETTA_MAIN_LINK_CERT_H
#define LIMETTA_MAIN_LINK_CERT_H

/* limetta link-cert: certificates by which the hosts of one mail system know each other (docs/deploy-dmz.md). Returns an
 * exit code. */
int link_cert(int argc, char **argv);

#endif
