#ifndef LIMETTA_CONVERT_SERVICE_H
#define LIMETTA_CONVERT_SERVICE_H

#include "base/err.h"
#include "base/str.h"
#include "convert/cache.h"
#include "convert/params.h"
#include "convert/registry.h"
#include "net/session.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Conversions as a store worker offers them to its sessions: what the worker does itself, what the convert role does for it,
 * and what was done lately. */
struct convert_service;

struct convert_service_config {
    size_t cache_most;    /* octets of results kept */
    uint64_t input_most;  /* largest part that is converted, octets after decoding */
    uint64_t output_most; /* largest result */
    struct str
        default_image; /* target types of default conversions; borrowed; empty: the first of the registry */
    struct str default_audio;
    /* Opens a session at the convert role, head being its open message; the caller takes the stream. NULL (the result, or no
     * function): it is down. */
    struct stream *(*open)(void *owner, struct str head);
    void *owner;
};

struct convert_service *convert_service_new(const struct convert_service_config *c);
/* All jobs and results must be gone. */
void convert_service_free(struct convert_service **s);
/* What the convert role has, bits (1 << enum convert_tool). Stays when the role goes down: it comes back. */
void convert_service_set_tools(struct convert_service *s, unsigned tools);
unsigned convert_service_get_tools(const struct convert_service *s);
struct convert_cache *convert_service_get_cache(struct convert_service *s);
/* The target that NIL means for a type, given parameters (RFC 5259, 6, "default conversion"): the configured one, else
 * the first that is there and knows all of the parameters. False: there is none. */
bool convert_service_find_default(const struct convert_service *s, struct str from,
                                  const struct convert_params *p, struct convert_pair *out);

/* One conversion that is being done. */
struct convert_job;

struct convert_job_args {
    struct convert_pair pair;
    struct convert_settings settings;
    struct str charset;               /* of the part, for text */
    struct str user;                  /* whose turn it is */
    struct session_host session_host; /* woken when there is something to do */
};

/* Everything is borrowed until this returns. Errors (permanent, but the last): ERR_BAD_CHARSET, ERR_BAD_PARAM,
 * ERR_UNAVAILABLE (the role is down, or sessions hold too much). */
MUST_USE enum err convert_job_new(struct convert_service *s, const struct convert_job_args *args,
                                  struct convert_job **out);
/* The job may be given up at any time. */
void convert_job_free(struct convert_job **j);
/* STEP_DONE: takes octets now. STEP_MORE: not yet, the session is woken. STEP_BAD: takes no more, for it failed. */
enum step convert_job_check(const struct convert_job *j);
/* The part's octets, decoded, in pieces. */
void convert_job_add(struct convert_job *j, struct str octets, bool is_last);
/* After the last piece, or STEP_BAD. STEP_MORE: not yet, the session is woken. STEP_DONE: a counted result, which may say that
 * the conversion cannot be done. STEP_BAD: it failed now and may work later. */
enum step convert_job_get(struct convert_job *j, struct convert_result **out);

#endif
