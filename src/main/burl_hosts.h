#ifndef LIMETTA_MAIN_BURL_HOSTS_H
#define LIMETTA_MAIN_BURL_HOSTS_H

#include "main/boot.h"
#include "smtp/burl.h"

#include <stddef.h>

/* The allow-list of BURL as the supervisor told it: settings burl.0, burl.1 ... */
struct burl_hosts {
    struct burl_host *at;
    size_t count;
    struct fields *fields; /* what the strings point to */
};

/* Reads certificates, so before confine(). hosts need not be initialised, and must be released in any case.
 * Errors: ERR_SYNTAX (a setting is broken, a CA file holds no certificate), ERR_IO; the log says which host. */
MUST_USE enum err burl_hosts_init(struct burl_hosts *hosts, const struct boot *b);
void burl_hosts_release(struct burl_hosts *hosts);

#endif
