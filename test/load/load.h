#ifndef LIMETTA_LOAD_LOAD_H
#define LIMETTA_LOAD_LOAD_H

/* What the files of the load generator share: options, clients, the loop that drives them. */
#include "scram.h"

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

/* Bounds, whatever is asked for. */
enum { COUNT_MOST = 300000, SECONDS_MOST = 3600, RATE_MOST = 100000, USERS_MOST = 20000 };

struct load_options {
    struct sockaddr_storage to;
    socklen_t to_size;
    uint32_t
        from; /* IPv4, host order: the first address that clients come from; 0: the system's choice */
    unsigned sources;     /* so many addresses */
    unsigned step;        /* from one to the next: 1, or 256 for one of each /24 */
    unsigned count;       /* clients at once */
    unsigned window;      /* of these on their way at once */
    unsigned rate;        /* begun in a second */
    unsigned seconds;     /* then it ends */
    unsigned interval_ms; /* between two octets of slowloris, between two items of news */
    unsigned users;       /* named user0, user1, ...; the prefix is an option */
    const char *user;
    const char *password;
    bool is_tls;
    bool is_compressed;
    bool is_submission;
    bool is_plain; /* AUTHENTICATE PLAIN instead of SCRAM-SHA-256 */
    bool is_once;  /* logins: each client stays when it is in, and that all are is the end */
};

struct talk;

struct client {
    SSL *ssl;          /* NULL: plain */
    struct talk *talk; /* NULL: none under way */
    uint64_t begun_us;
    int fd; /* -1: closed */
    uint32_t index;
    uint32_t stage : 8; /* the mode's own */
    uint32_t is_open : 1;
    uint32_t is_shaking : 1;
    uint32_t is_at_rest : 1;
};

struct load_counts {
    uint64_t begun;
    uint64_t opened;
    uint64_t refused; /* connect() failed */
    uint64_t ended;   /* by the server, or by a failure */
    uint64_t octets_in;
    uint64_t octets_out;
    uint64_t handshakes;
};

struct load;

/* What a kind of load does. All may be NULL. A callback may close its client. */
struct mode {
    const char *name;
    const char *help;
    bool is_deaf;     /* reads nothing */
    bool is_reopened; /* who was hung up on comes again */
    void (*on_open)(struct load *l, struct client *c);
    void (*on_tls)(struct load *l, struct client *c); /* the handshake is done */
    void (*on_octets)(struct load *l, struct client *c, struct str octets);
    void (*on_end)(struct load *l, struct client *c);  /* the server hung up; it is closed then */
    void (*on_tick)(struct load *l);                   /* every few milliseconds */
    void (*on_order)(struct load *l, struct str line); /* a line came on standard input */
    void (*on_finish)(struct load *l); /* the time is over: say what there is to say */
};

enum { SCRATCH_SIZE = 64 * 1024 };

struct load {
    struct load_options options;
    const struct mode *mode;
    struct load_counts counts;
    struct client
        *clients; /* options.count, and SPARE_CLIENTS that the engine does not open by itself */
    struct scram_keys *keys; /* of options.users */
    void *own;               /* the mode's */
    SSL_CTX *tls;
    uint64_t started_us;
    uint64_t now_us;
    uint32_t next;       /* where the search for a closed client goes on */
    unsigned connecting; /* between open and at rest */
    int epoll;
    bool is_over;
    char scratch[SCRATCH_SIZE];
};

enum { SPARE_CLIENTS = 64 };

/* Runs the mode until its time is over, standard input says "quit", or it says is_over. 0, or 1: something failed that is ours. */
int engine_run(struct load *l);
bool engine_open(struct load *l, struct client *c);
void engine_close(struct load *l, struct client *c);
/* Octets that the kernel took. */
size_t engine_send(struct load *l, struct client *c, struct str octets);
void engine_start_tls(struct load *l, struct client *c);
/* The client is where it shall stay: others may begin. */
void engine_set_at_rest(struct load *l, struct client *c);
static inline uint32_t engine_get_ms(const struct load *l)
{
    return (uint32_t)((l->now_us - l->started_us) / 1000);
}

/* ---- the conversation up to a login, and some behind it: talk.c ---- */

enum talk_goal { TALK_LOGIN, TALK_IDLE, TALK_APPEND };
enum talk_result { TALK_GOES_ON, TALK_DONE, TALK_FAILED };

/* Begins it, before the greeting. user: a number below options.users. */
void talk_start(struct load *l, struct client *c, enum talk_goal goal, unsigned user);
enum talk_result talk_take(struct load *l, struct client *c, struct str octets);
/* The handshake is done. */
enum talk_result talk_on_tls(struct load *l, struct client *c);
void talk_end(struct client *c);
/* Before a step the talk waits for; for messages about failures. */
const char *talk_get_step(const struct client *c);
/* What the server said last, when the talk failed for it. */
const char *talk_get_line(const struct client *c);

/* Modes: dormant.c, logins.c, attacks.c. */
extern const struct mode MODE_DORMANT;
extern const struct mode MODE_LOGINS;
/* NULL: no such attack. */
const struct mode *attack_find(const char *name);
const struct mode *attack_get(size_t index);

#endif
