#ifndef LIMETTA_IMAP_URL_FETCH_H
#define LIMETTA_IMAP_URL_FETCH_H

#include "base/err.h"
#include "base/str.h"
#include "imap/host.h"
#include "imap/url.h"
#include "net/session.h"

#include <stdint.h>

/* The octets of an authorized URL, wherever its owner's account lives: opened and read step by step. */
struct url_fetch;

struct url_fetch_args {
    struct store *store;
    const struct imap_host *host;
    struct session_host session_host; /* whom to wake when there is more */
    struct url_server server;
    struct url_asker asker;
};

/* What there is to be had. */
struct url_answer {
    uint64_t size;       /* octets */
    bool has_nul;        /* NUL may be among them */
    bool is_undecodable; /* BINARY was wanted, and cannot be given */
    struct str
        structure; /* BODYPARTSTRUCTURE; borrowed while the fetch lives; empty: was not wanted */
};

/* Begins; everything is borrowed until this returns. Errors (all of them the URL's or nobody's fault, so that whoever asks
 * cannot tell them apart): ERR_BAD_URL. */
MUST_USE enum err url_fetch_new(const struct url_fetch_args *args, struct str url,
                                const struct url_wants *wants, struct url_fetch **out);
void url_fetch_free(struct url_fetch **f);
/* STEP_DONE: *out is known. STEP_MORE: not yet, the session is woken. STEP_BAD: there are no octets to be had. */
enum step url_fetch_open(struct url_fetch *f, struct url_answer *out);
/* STEP_DONE: *out has octets, at most n, borrowed until the next call. STEP_MORE: not yet, the session is woken.
 * STEP_BAD: it broke off. Not to be called for more than the size. */
enum step url_fetch_read(struct url_fetch *f, size_t n, struct str *out);

#endif
