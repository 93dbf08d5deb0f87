#ifndef LIMETTA_VERIFY_BIND_H
#define LIMETTA_VERIFY_BIND_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* Passwords checked by an LDAP server (RFC 4511): who can bind with it, has the password. */
struct binder;

enum { BINDS_MOST = 256 }; /* at once, those that wait for their turn counted */

/* Borrowed for the binder's life. Either dn, or base and filter. */
struct binder_config {
    struct loop *loop;
    struct str url;     /* ldap:// or ldaps:// */
    bool has_starttls;  /* with ldap:// */
    struct str ca_path; /* certificates that are trusted; empty: the system's */
    struct str dn;      /* pattern of a user's name (ldap_text.h); empty: search */
    struct str base;    /* below which users are */
    struct str filter;  /* pattern of the search */
    struct str bind_dn; /* who searches; empty: anybody may */
    struct str bind_password;
    uint64_t timeout_s; /* for each step of a check */
};

/* Reads the certificates: to be made before files are out of reach. Errors: ERR_SYNTAX (the URL), ERR_IO (certificates). */
MUST_USE enum err binder_new(const struct binder_config *config, struct binder **out);
/* Checks under way hear no more; only when the loop ends. */
void binder_free(struct binder **b);
/* user and password are copied (and wiped). on_done, perhaps at once: ERR_OK, ERR_AUTH_FAILED (also an empty password), or
 * ERR_UNAVAILABLE. */
void binder_check(struct binder *b, struct str user, struct str password,
                  void (*on_done)(void *owner, enum err e), void *owner);

#endif
