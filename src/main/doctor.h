#ifndef LIMETTA_MAIN_DOCTOR_H
#define LIMETTA_MAIN_DOCTOR_H

#include "base/buf.h"
#include "base/vec.h"
#include "main/config.h"

#include <stdbool.h>
#include <stdint.h>

/* limetta doctor: what is wrong, weak or surprising with a configuration, its files and its host, in plain words. */
enum doctor_level {
    DOCTOR_NOTE,    /* worth knowing */
    DOCTOR_WARNING, /* works, but not as RFC 5383 or a careful operator would have it */
    DOCTOR_ERROR,   /* does not work, or is not safe */
    DOCTOR_LEVELS
};

struct doctor_finding {
    enum doctor_level level;
    const char *rule; /* its name: docs/operations.md lists them. Static */
    struct buf text;
};

/* What listens, or would. */
struct doctor_service {
    const char *name;     /* static */
    unsigned port;        /* 0: a Unix socket */
    struct str addresses; /* or the path; borrowed */
    const char *exposes;  /* what who reaches it can do; static */
    bool is_for_clients;
};

enum { DOCTOR_SERVICES_MOST = 8 };

/* What only the host can say; a test says it instead. */
struct doctor_host {
    int64_t now_s; /* Unix time */
    int64_t
        clock_off_s; /* how far the clock was moved since the server started; 0: not at all, or it does not run */
    bool is_clock_synchronised;
    bool is_running;
    bool is_landlock_there;
    uint64_t descriptors; /* that a process of the server may have */
    uint64_t free_octets; /* where the state folder is */
    uint64_t free_inodes; /* UINT64_MAX: it has no such bound */
    uint64_t
        conntrack_s; /* this host's firewall forgets silent connections; 0: it does not look at them */
    uint64_t roles_as_root;    /* processes of roles that run as root */
    uint64_t roles_as_nobody;  /* and as nobody, whom other programs may use, too */
    const uint16_t *listening; /* TCP ports that somebody listens on */
    size_t listening_count;
};

struct doctor {
    const struct config *config; /* complete */
    const char *dir;             /* the state folder; may not be there yet */
    const char *config_path;     /* NULL: none */
    unsigned offset;
    struct str listen; /* in place of the setting; empty: that counts. Borrowed */
    bool has_domains;  /* the file names domains */
    struct doctor_host host;
    VEC(struct doctor_finding) findings;
};

void doctor_say(struct doctor *d, enum doctor_level level, const char *rule, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
void doctor_release(struct doctor *d);
/* Does the role run on this host? */
bool doctor_has_role(const struct doctor *d, struct str role);
/* Fills in the services of this host; how many there are. */
size_t doctor_list_services(const struct doctor *d,
                            struct doctor_service out[DOCTOR_SERVICES_MOST]);

/* The rules, by what they look at. */
void doctor_check_ports(struct doctor *d, const struct doctor_service *services, size_t count);
void doctor_check_config(struct doctor *d);
void doctor_check_tls(struct doctor *d);
void doctor_check_files(struct doctor *d);
/* False: there is no state folder, which is noted; then there is nothing in it to look at. */
bool doctor_find_state(struct doctor *d);
void doctor_check_host(struct doctor *d);

/* Asks this host; state: the server's control socket may answer. ports: receives what listening points to. */
enum { DOCTOR_PORTS_MOST = 4096 };
void doctor_read_host(const char *state, uint16_t ports[DOCTOR_PORTS_MOST],
                      struct doctor_host *out);

/* The tool; argv[0] is "doctor". Returns an exit code: 1 when there is an error, or, with --strict, a warning. */
int tool_doctor(int argc, char **argv);

#endif
