#ifndef LIMETTA_MAIN_FIREWALL_H
#define LIMETTA_MAIN_FIREWALL_H

struct config;
struct firewall_config;

/* What a configuration needs firewalls to let through, with ports that begin at their number plus offset. Strings are borrowed from c. */
void firewall_gather(const struct config *c, unsigned offset, struct firewall_config *out);

#endif
