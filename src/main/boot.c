/* The role's side of the control socket.
 *
 * Until "start" it is read with blocking calls: a role has nothing else to do before it knows its settings. After
 * boot_attach() it is one more descriptor of the loop, and carries new links, new values of settings, a new place for the log,
 * and, at the end, "stop" (control.h has all). When the supervisor dies the socket ends, and that is a stop, too: no role outlives
 * its supervisor.
 *
 * Peers that arrive between "start" and boot_attach() simply wait in the socket. Settings are few and short except
 * for PEM texts, so a plain array is searched. Values may be secrets: they are wiped when freed. */
#include "main/boot.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/vec.h"
#include "main/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { SETTINGS_MOST = 128, LISTENERS_MOST = 32, START_TIMEOUT_S = 60 };

struct setting {
    struct buf key;
    struct buf value;
};

struct boot_listener {
    struct buf name;
    int fd;
};

struct boot {
    int fd;
    VEC(struct setting) settings;
    VEC(struct boot_listener) listeners;
    char log_name[32];
    struct setting *open; /* the last one that came */
    bool is_value_open;   /* its value goes on */
    bool is_started;
    struct fd_watch *watch;
    const struct boot_handler *handler;
    void *owner;
};

static struct setting *find_setting(const struct boot *b, struct str key)
{
    for (size_t i = 0; i < b->settings.count; i++) {
        if (str_eq(buf_str(&b->settings.at[i].key), key)) {
            return &b->settings.at[i];
        }
    }
    return NULL;
}

/* Makes room for a value; NULL: this key has no place now. Once started, values replace those that are there. */
static struct setting *begin_setting(struct boot *b, struct str key)
{
    struct setting *s = find_setting(b, key);
    if (s != NULL && b->is_started) {
        buf_wipe(&s->value);
        return s;
    }
    if (s != NULL || b->settings.count >= SETTINGS_MOST) {
        return NULL;
    }
    vec_push(&b->settings,
             (struct setting){BUF_INIT(CONTROL_KEY_MOST + 1), BUF_INIT(CONTROL_VALUE_MOST + 1)});
    s = &b->settings.at[b->settings.count - 1];
    buf_add(&s->key, key);
    return s;
}

static enum err add_setting(struct boot *b, const struct control_message *m)
{
    struct setting *s = b->is_value_open ? find_setting(b, m->key) : begin_setting(b, m->key);
    if (s == NULL || (b->is_value_open && s != b->open)) {
        return ERR_SYNTAX;
    }
    buf_add(&s->value, m->value);
    b->open = s;
    b->is_value_open = m->has_more;
    return buf_err(&s->value) == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

static enum err add_listener(struct boot *b, const struct control_message *m)
{
    if (b->listeners.count >= LISTENERS_MOST) {
        (void)close(m->fd);
        return ERR_SYNTAX;
    }
    vec_push(&b->listeners, (struct boot_listener){BUF_INIT(CONTROL_KEY_MOST + 1), m->fd});
    buf_add(&b->listeners.at[b->listeners.count - 1].name, m->key);
    return ERR_OK;
}

/* A message before "start". */
static enum err take_setup(struct boot *b, const struct control_message *m)
{
    if (b->is_value_open && m->type != CONTROL_SETTING) {
        if (m->fd >= 0) {
            (void)close(m->fd);
        }
        return ERR_SYNTAX;
    }
    if (m->type == CONTROL_SETTING) {
        return add_setting(b, m);
    }
    if (m->type == CONTROL_LISTENER) {
        return add_listener(b, m);
    }
    if (m->type == CONTROL_START) {
        b->is_started = true;
        return ERR_OK;
    }
    if (m->fd >= 0) {
        (void)close(m->fd); /* links come after the start */
    }
    return ERR_SYNTAX;
}

enum err boot_receive(int control_fd, struct boot **out)
{
    struct timeval limit = {.tv_sec = START_TIMEOUT_S};
    if (setsockopt(control_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0) {
        return ERR_IO;
    }
    struct boot *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        abort();
    }
    b->fd = control_fd;
    char packet[CONTROL_PACKET_MOST];
    enum err e = ERR_OK;
    while (e == ERR_OK && !b->is_started) {
        struct control_message m;
        e = control_receive(control_fd, true, packet, &m);
        if (e == ERR_OK) {
            e = take_setup(b, &m);
        }
    }
    explicit_bzero(packet, sizeof(packet));
    if (e != ERR_OK) {
        b->fd = -1; /* the caller keeps it when we fail */
        boot_free(&b);
        return e == ERR_SYNTAX ? ERR_SYNTAX : ERR_IO;
    }
    *out = b;
    return ERR_OK;
}

void boot_free(struct boot **b)
{
    struct boot *dead = *b;
    *b = NULL;
    if (dead == NULL) {
        return;
    }
    if (dead->watch != NULL) {
        fd_watch_free(&dead->watch);
    }
    log_init("stopping", LOG_LEVEL_INFO); /* the log borrowed our name */
    for (size_t i = 0; i < dead->settings.count; i++) {
        struct setting *s = &dead->settings.at[i];
        if (s->value.p != NULL) {
            explicit_bzero(s->value.p, s->value.size);
        }
        buf_release(&s->key);
        buf_release(&s->value);
    }
    vec_release(&dead->settings);
    for (size_t i = 0; i < dead->listeners.count; i++) {
        if (dead->listeners.at[i].fd >= 0) {
            (void)close(dead->listeners.at[i].fd);
        }
        buf_release(&dead->listeners.at[i].name);
    }
    vec_release(&dead->listeners);
    if (dead->fd >= 0) {
        (void)close(dead->fd);
    }
    free(dead);
}

struct str boot_get(const struct boot *b, struct str key)
{
    const struct setting *s = find_setting(b, key);
    return s == NULL ? STR_EMPTY : buf_str(&s->value);
}

uint64_t boot_get_u64(const struct boot *b, struct str key, uint64_t fallback)
{
    uint64_t v = fallback;
    struct str s = boot_get(b, key);
    return s.n > 0 && str_to_u64(s, UINT64_MAX, &v) ? v : fallback;
}

static enum log_level get_log_level(const struct boot *b)
{
    static const char *const NAMES[] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARN] = "warn",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
    };
    struct str s = boot_get(b, STR("log_level"));
    for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq(s, str_from_c(NAMES[i]))) {
            return (enum log_level)i;
        }
    }
    return LOG_LEVEL_INFO;
}

static void start_log(struct boot *b)
{
    struct str role = boot_get(b, STR("role"));
    struct str index = boot_get(b, STR("index"));
    if (str_eq(role, STR("store"))) {
        (void)snprintf(b->log_name, sizeof(b->log_name), "%.*s.%.*s", STR_ARG(str_sub(role, 0, 16)),
                       STR_ARG(str_sub(index, 0, 8)));
    } else {
        (void)snprintf(b->log_name, sizeof(b->log_name), "%.*s", STR_ARG(str_sub(role, 0, 16)));
    }
    log_init(b->log_name, get_log_level(b));
}

enum err boot_begin(const char *role, struct boot **out)
{
    log_init(role, LOG_LEVEL_INFO);
    enum err e = boot_receive(CONTROL_CHILD_FD, out);
    if (e != ERR_OK) {
        log_error("this program is started by limetta serve");
        return e;
    }
    start_log(*out);
    return ERR_OK;
}

unsigned boot_get_index(const struct boot *b)
{
    return (unsigned)boot_get_u64(b, STR("index"), 0);
}

bool boot_next_listener(struct boot *b, size_t *at, struct str *name, int *fd)
{
    if (*at >= b->listeners.count) {
        return false;
    }
    struct boot_listener *l = &b->listeners.at[(*at)++];
    *name = buf_str(&l->name);
    *fd = l->fd;
    l->fd = -1;
    return true;
}

/* What we say goes there from now on; stdio's descriptor 2 is the log (base/log.c). */
static void move_log(int fd)
{
    if (dup3(fd, STDERR_FILENO, 0) < 0) {
        log_error("the log cannot be moved: %s", strerrordesc_np(errno));
    }
    (void)close(fd);
}

static void take_settings(struct boot *b)
{
    log_init(b->log_name, get_log_level(b));
    if (b->handler->on_settings != NULL) {
        b->handler->on_settings(b->owner);
    }
}

/* False when the role is to stop and nothing more should be read. */
static bool take_running(struct boot *b, const struct control_message *m)
{
    if (m->type == CONTROL_PEER) {
        struct boot_peer peer = {m->role, m->index, m->key, m->fd};
        b->handler->on_peer(b->owner, &peer);
        return true;
    }
    if (m->type == CONTROL_LOG) {
        move_log(m->fd);
        return true;
    }
    if (m->type == CONTROL_KICK && b->handler->on_kick != NULL) {
        b->handler->on_kick(b->owner, m->index, m->key, m->value);
        return true;
    }
    if (m->type == CONTROL_SETTING && add_setting(b, m) == ERR_OK) {
        return true;
    }
    if (m->type == CONTROL_START && !b->is_value_open) {
        take_settings(b);
        return true;
    }
    if (m->fd >= 0) {
        (void)close(m->fd);
    }
    if (m->type != CONTROL_STOP) {
        log_error("the supervisor sent message %d, which has no place after the start", m->type);
    }
    return false;
}

static void on_control(void *owner)
{
    struct boot *b = owner;
    char packet[CONTROL_PACKET_MOST];
    for (;;) {
        struct control_message m;
        enum err e = control_receive(b->fd, false, packet, &m);
        if (e == ERR_UNAVAILABLE) {
            return;
        }
        if (e != ERR_OK && e != ERR_PEER_GONE) {
            log_error("control socket: %s", err_get_info(e)->meaning);
        }
        if (e != ERR_OK || !take_running(b, &m)) {
            fd_watch_free(&b->watch); /* nothing after a stop is heard */
            b->handler->on_stop(b->owner);
            return;
        }
    }
}

void boot_attach(struct boot *b, struct loop *l, const struct boot_handler *h, void *owner)
{
    b->handler = h;
    b->owner = owner;
    b->watch = fd_watch_new(l, b->fd, on_control, b);
    struct control_message ready = {.type = CONTROL_READY, .fd = -1};
    if (control_send(b->fd, &ready) != ERR_OK) {
        log_debug("the supervisor does not hear us"); /* on_control() will hear the end */
    }
}

enum err boot_send_join(struct boot *b, enum link_role role, unsigned index,
                        const struct boot_peer *peer)
{
    char whom[CONTROL_JOIN_MOST + 1];
    (void)snprintf(whom, sizeof(whom), "%s %u", control_role_name(role), index);
    struct control_message m = {
        .type = CONTROL_JOIN,
        .role = peer->role,
        .index = peer->index,
        .key = peer->name,
        .value = str_from_c(whom),
        .fd = peer->fd,
    };
    return control_send(b->fd, &m);
}

void boot_send_kicked(struct boot *b, unsigned id, struct str report)
{
    struct control_message m = {.type = CONTROL_KICKED, .index = id, .value = report, .fd = -1};
    if (control_send(b->fd, &m) != ERR_OK) {
        log_warn("the supervisor does not hear which sessions were ended");
    }
}

void boot_send_metrics(struct boot *b, struct str text)
{
    if (text.n > 0 && control_send_metrics(b->fd, text) != ERR_OK) {
        log_debug("the supervisor does not take our metrics");
    }
}
