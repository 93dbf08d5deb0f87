/* The hosts of one mail system.
 *
 * A link between hosts stands when all of these agree: the table of who may talk to whom (the same as between
 * processes of one host, without convert, which has no business with another host), the section link of the
 * configuration (what that host is for), and the certificate that it shows. So an edge that was taken over gets what
 * an edge gets, whatever it claims to be, and a certificate that was stolen is worth nothing any more when its
 * section is gone.
 *
 * Store workers have numbers that are the same everywhere, because an account belongs to a number: hosts share them
 * out as ranges. Edges and submission servers are told apart by the order of the file. There is one auth, and a role
 * that runs here is used before the same one elsewhere. */
#include "main/hosts.h"

enum { WORKERS_MOST = 64 };

static const struct {
    const char *name;
    enum link_role role;
} ROLES[] = {{"edge", ROLE_EDGE},
             {"auth", ROLE_AUTH},
             {"store", ROLE_STORE},
             {"submit", ROLE_SUBMIT},
             {"convert", ROLE_CONVERT}};

enum { ROLE_WORDS = sizeof(ROLES) / sizeof(ROLES[0]) };

bool hosts_find_role(struct str word, enum link_role *out)
{
    for (size_t i = 0; i < ROLE_WORDS; i++) {
        if (str_eq(word, str_from_c(ROLES[i].name))) {
            *out = ROLES[i].role;
            return true;
        }
    }
    return false;
}

bool hosts_has(const struct host *host, enum link_role role)
{
    return (host->roles >> role & 1) != 0;
}

bool hosts_may_link(enum link_role a, enum link_role b)
{
    static const unsigned PEERS[ROLE_COUNT] = {
        [ROLE_EDGE] = 1 << ROLE_AUTH | 1 << ROLE_STORE | 1 << ROLE_SUBMIT,
        [ROLE_AUTH] = 1 << ROLE_EDGE | 1 << ROLE_SUBMIT,
        [ROLE_STORE] = 1 << ROLE_EDGE | 1 << ROLE_SUBMIT | 1 << ROLE_STORE,
        [ROLE_SUBMIT] = 1 << ROLE_EDGE | 1 << ROLE_AUTH | 1 << ROLE_STORE,
    };
    return (unsigned)a < ROLE_COUNT && (unsigned)b < ROLE_COUNT && (PEERS[a] >> b & 1) != 0;
}

static enum err read_roles(struct str words, struct host *host, struct buf *why)
{
    while (words.n > 0) {
        enum link_role role;
        struct str word = str_split(&words, ' ');
        if (word.n == 0) {
            continue;
        }
        if (!hosts_find_role(word, &role)) {
            buf_addf(why, "roles: there is no role %.*s", STR_ARG(word));
            return ERR_SYNTAX;
        }
        host->roles |= 1U << role;
    }
    return ERR_OK;
}

/* "0-3", "5", or nothing for all. */
static enum err read_range(struct str range, unsigned workers, struct host *host, struct buf *why)
{
    uint64_t first = 0;
    uint64_t last = workers - 1;
    struct str rest = range;
    struct str from = str_split(&rest, '-');
    if (!hosts_has(host, ROLE_STORE)) {
        return ERR_OK;
    }
    bool is_right = range.n == 0 || str_to_u64(from, workers - 1, &first);
    if (is_right && range.n > 0) {
        bool is_one = str_find_char(range, '-') == range.n;
        last = first;
        is_right = is_one || (str_to_u64(rest, workers - 1, &last) && last >= first);
    }
    if (!is_right) {
        buf_addf(why, "%.*s: workers must be numbers from 0 to %u, as 0-3 or 5",
                 STR_ARG(host->name), workers - 1);
        return ERR_SYNTAX;
    }
    host->first = (unsigned)first;
    host->last = (unsigned)last;
    return ERR_OK;
}

enum err hosts_init(struct hosts *h, struct str name, struct str roles, struct str range,
                    unsigned workers, struct buf *why)
{
    *h = (struct hosts){.count = 1, .workers = workers};
    struct host *own = &h->at[0];
    own->name = name;
    if (workers == 0 || workers > WORKERS_MOST) {
        buf_add_c(why, "workers is out of range");
        return ERR_SYNTAX;
    }
    TRY(read_roles(roles, own, why));
    if (own->roles == 0) {
        buf_add_c(why, "roles: nothing would run on this host");
        return ERR_SYNTAX;
    }
    return read_range(range, workers, own, why);
}

void hosts_release(struct hosts *h)
{
    for (size_t i = 1; i < h->count; i++) {
        fields_release(&h->sections[i]);
    }
    h->count = 0;
}

static enum err add_host(struct hosts *h, const struct fields *f, struct buf *why)
{
    struct host host = {
        .name = fields_get(f, STR("host")),
        .dial = str_trim(fields_get(f, STR("address"))),
        .port = (uint16_t)fields_get_u64(f, STR("port"), 0),
    };
    TRY(read_roles(fields_get(f, STR("roles")), &host, why));
    host.roles &= ~(1U << ROLE_CONVERT); /* serves the stores of its own host */
    TRY(read_range(fields_get(f, STR("workers")), h->workers, &host, why));
    h->at[h->count] = host;
    return ERR_OK;
}

enum err hosts_add(struct hosts *h, struct str message, struct buf *why)
{
    if (h->count == HOSTS_MOST || fields_parse(message, &h->sections[h->count]) != ERR_OK) {
        buf_add_c(why, "there are too many sections link");
        return ERR_SYNTAX;
    }
    enum err e = add_host(h, &h->sections[h->count], why);
    if (e != ERR_OK) {
        fields_release(&h->sections[h->count]);
        return e;
    }
    h->count++;
    return ERR_OK;
}

static unsigned count_role(const struct hosts *h, enum link_role role)
{
    unsigned count = 0;
    for (size_t i = 0; i < h->count; i++) {
        count += hosts_has(&h->at[i], role) ? 1 : 0;
    }
    return count;
}

static unsigned count_worker(const struct hosts *h, unsigned worker)
{
    unsigned count = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct host *host = &h->at[i];
        count += hosts_has(host, ROLE_STORE) && worker >= host->first && worker <= host->last;
    }
    return count;
}

/* The role that one of ours connects to and that runs nowhere; ROLE_COUNT: there is none. Auth and stores connect to nobody: when the
 * hosts of all edges were locked out, or have not been made yet, they run all the same. */
static enum link_role find_missing(const struct hosts *h)
{
    static const enum link_role NEEDED[] = {ROLE_AUTH, ROLE_STORE, ROLE_SUBMIT};
    bool has_edge = hosts_has(&h->at[0], ROLE_EDGE);
    bool has_submit = hosts_has(&h->at[0], ROLE_SUBMIT);
    for (size_t i = 0; (has_edge || has_submit) && i < sizeof(NEEDED) / sizeof(NEEDED[0]); i++) {
        if (count_role(h, NEEDED[i]) == 0) {
            return NEEDED[i];
        }
    }
    return ROLE_COUNT;
}

enum err hosts_check(const struct hosts *h, struct buf *why)
{
    enum link_role missing = find_missing(h);
    if (missing != ROLE_COUNT) {
        buf_addf(why, "roles: no host runs %s; name it here, or in a section link",
                 ROLES[missing].name);
        return ERR_SYNTAX;
    }
    if (count_role(h, ROLE_AUTH) > 1) {
        buf_add_c(why, "roles: auth must run on one host only");
        return ERR_SYNTAX;
    }
    for (unsigned i = 0; i < h->workers; i++) {
        unsigned count = count_worker(h, i);
        if (count != 1) {
            buf_addf(
                why,
                "store worker %u runs on %s; see store_workers, and workers in the sections link",
                i, count == 0 ? "no host" : "several hosts");
            return ERR_SYNTAX;
        }
    }
    return ERR_OK;
}

const struct host *hosts_find(const struct hosts *h, struct str name)
{
    for (size_t i = 1; i < h->count; i++) {
        if (str_eq(h->at[i].name, name)) {
            return &h->at[i];
        }
    }
    return NULL;
}

unsigned hosts_get_index(const struct hosts *h, const struct host *host, enum link_role role,
                         unsigned worker)
{
    unsigned index = 0;
    if (role == ROLE_STORE) {
        return worker;
    }
    for (const struct host *other = h->at; other < host; other++) {
        index += hosts_has(other, role) ? 1 : 0;
    }
    return index;
}

/* Of several submission servers an edge uses the first; all else is joined to all. */
static bool is_used(const struct hosts *h, const struct host *host, const struct wish *w)
{
    return !(w->here == ROLE_EDGE && w->there == ROLE_SUBMIT)
           || hosts_get_index(h, host, ROLE_SUBMIT, 0) == 0;
}

bool hosts_has_wish(const struct hosts *h, const struct host *host, const struct wish *w)
{
    const struct host *own = &h->at[0];
    bool is_here = w->here != ROLE_STORE
                       ? w->here_index == 0
                       : w->here_index >= own->first && w->here_index <= own->last;
    bool is_there = w->there != ROLE_STORE
                        ? w->there_index == 0
                        : w->there_index >= host->first && w->there_index <= host->last;
    return hosts_may_link(w->here, w->there) && hosts_has(own, w->here) && hosts_has(host, w->there)
           && is_here && is_there && is_used(h, host, w);
}

/* All pairs are tried in one order: *at is the number of the next one. */
bool hosts_next_wish(const struct hosts *h, const struct host *host, size_t *at, struct wish *out)
{
    static const size_t SIDE = ROLE_WORDS * WORKERS_MOST;
    while (*at < SIDE * SIDE) {
        size_t here = *at / SIDE;
        size_t there = *at % SIDE;
        (*at)++;
        struct wish w = {ROLES[here / WORKERS_MOST].role, (unsigned)(here % WORKERS_MOST),
                         ROLES[there / WORKERS_MOST].role, (unsigned)(there % WORKERS_MOST)};
        if (hosts_has_wish(h, host, &w)) {
            *out = w;
            return true;
        }
    }
    return false;
}
