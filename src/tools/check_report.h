#ifndef LIMETTA_TOOLS_CHECK_REPORT_H
#define LIMETTA_TOOLS_CHECK_REPORT_H

#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

/* What the path checker learns: legs, their facts and findings; written as text or JSON. What servers said is shown with
 * everything that is not plain text replaced, so that nobody on the path can write to the operator's terminal. */

enum finding_code {
#define FINDING(name, code, severity, who) FINDING_##name,
#include "tools/check_finding.def"
#undef FINDING
    FINDING_COUNT
};

enum severity { SEVERITY_NOTE, SEVERITY_WRONG, SEVERITY_HERE };

enum { CHECK_HOPS_MOST = 30, CHECK_DETAIL_MOST = 1024, CHECK_FINDINGS_MOST = 200 };

struct finding {
    enum finding_code code;
    struct buf detail; /* what was seen */
};

/* How a connection went. */
enum reach { REACH_OK, REACH_REFUSED, REACH_REJECTED, REACH_SILENT, REACH_NO_ROUTE };

struct hop {
    struct sockaddr_storage at; /* ss_family 0: it did not say */
};

struct check_address {
    struct sockaddr_storage at;
    enum reach reach;
    uint64_t ms;
    int errnum;
    int icmp_type; /* of REACH_REJECTED; -1: unknown */
    int icmp_code;
    struct sockaddr_storage icmp_from; /* ss_family 0: unknown */
    struct hop
        hops[CHECK_HOPS_MOST]; /* of a connection that failed: who answered "time exceeded" */
    unsigned hop_count;
};

struct check_cert {
    struct buf der;
    struct buf fingerprint; /* SHA-256, hex */
    struct buf subject;
    struct buf issuer;
    int64_t not_after_s;
    int verdict;  /* X509_V_ */
    bool is_good; /* trusted, for this name, in its time; or its fingerprint is the one expected */
};

struct check_leg {
    const char *name; /* "imap"; static */
    uint16_t port;
    VEC(struct check_address) addresses;
    struct buf greeting;   /* the first line, as it came */
    struct buf name_plain; /* SMTP: as the server calls itself, before TLS and under it */
    struct buf name_tls;
    struct buf plain; /* what is offered: words of IMAP, lines of EHLO; LF behind each */
    struct buf tls;
    bool has_plain;
    bool has_tls;
    struct check_cert cert; /* has_tls */
    struct buf tls_version;
    struct buf intact; /* ways by which octets came back as they went; LF behind each */
    VEC(struct finding) findings;
    bool is_required;      /* that it is not there is wrong */
    uint64_t idle_good_ms; /* the longest silence that was survived */
    uint64_t idle_bad_ms;  /* the shortest that was not; 0: none */
};

enum { CHECK_LEGS_MOST = 8 };

struct check_report {
    struct str host;
    const char *from;
    bool has_login; /* octets and silence can be tried */
    struct check_leg legs[CHECK_LEGS_MOST];
    unsigned leg_count;
};

/* A new leg; its memory belongs to the report. */
struct check_leg *check_report_add(struct check_report *r, const char *name, uint16_t port);
/* NULL: there is none of that name. */
struct check_leg *check_report_find(struct check_report *r, const char *name);
void check_report_release(struct check_report *r);

/* Says what was seen; the same code with the same words is kept once. */
void check_find(struct check_leg *leg, enum finding_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool check_has(const struct check_leg *leg, enum finding_code code);
/* "certificate-name" */
const char *check_get_code(enum finding_code code);
enum severity check_get_severity(enum finding_code code);
/* 0, 1 or 3 by the worst finding. */
int check_report_get_exit(const struct check_report *r);
/* Appends "192.0.2.1", "[2001:db8::1]". */
void check_add_address(struct buf *out, const struct sockaddr_storage *at);

void check_report_write_text(const struct check_report *r, bool is_long, struct buf *out);
/* Errors: ERR_LIMIT at out's cap. */
MUST_USE enum err check_report_write_json(const struct check_report *r, struct buf *out);

#endif
