/* limetta-convert: conversions that need other programs, as a process.
 *
 * It has no mail, no keys and no network: a store worker sends a part and what it is to become, and hears the result or that
 * there is none. For each conversion a program is started that may do even less (convert_child.c); this process starts
 * programs, counts octets and looks at the clock, and never reads what it hands on.
 *
 * Without Landlock nothing would keep a program from reading the files of this system user, mail among them; then nothing is
 * converted here. */
#include "main/boot.h"

#include "base/log.h"
#include "convert/registry.h"
#include "main/confine_sys.h"
#include "main/control.h"
#include "main/convert_desk.h"
#include "main/convert_tools.h"
#include "main/peers.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_MOST = 1024 };

struct convert_role {
    struct loop *loop;
    struct boot *boot;
    struct convert_desk *desk;
    struct signal_watch *children;
    struct peers peers;
    char dir[PATH_MAX];
    unsigned tools;
};

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct convert_role *r = owner;
    struct fields f;
    if (fields_parse(head, &f) != ERR_OK) {
        log_error("%s sent a broken open message", control_role_name(link_get_peer(l)));
        stream_free(&s);
        return;
    }
    if (str_eq(fields_get(&f, STR("service")), STR("convert"))) {
        convert_desk_open(r->desk, &f, s);
    } else {
        log_error("%s asked for a session that it may not have",
                  control_role_name(link_get_peer(l)));
        stream_free(&s);
    }
    fields_release(&f);
}

/* "op=tools": the names of what is there, with spaces between. */
static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    const struct convert_role *r = owner;
    struct buf names = BUF_INIT(ANSWER_MOST);
    struct buf reply = BUF_INIT(ANSWER_MOST * 4);
    (void)body; /* there is but one question */
    for (unsigned t = TOOL_HERE + 1; t < TOOL_COUNT; t++) {
        if ((r->tools >> t & 1) != 0) {
            buf_add_c(&names, names.len > 0 ? " " : "");
            buf_add_c(&names, convert_tool_name((enum convert_tool)t));
        }
    }
    fields_add(&reply, STR("tools"), buf_str(&names));
    link_reply(l, id, buf_str(&reply));
    buf_release(&names);
    buf_release(&reply);
}

static void on_down(void *owner, struct link *l)
{
    peers_drop(&((struct convert_role *)owner)->peers, l);
}

static const struct link_handler LINK_HANDLER = {
    .on_open = on_open, .on_request = on_request, .on_down = on_down};

enum { PEERS = 1U << ROLE_STORE };

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct convert_role *r = owner;
    (void)peers_add(&r->peers, peer);
}

static void on_stop(void *owner)
{
    loop_stop(((struct convert_role *)owner)->loop);
}

static void on_child(void *owner)
{
    convert_desk_on_child(((struct convert_role *)owner)->desk);
}

/* The folder of this program, where its tools are. */
static enum err find_dir(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0) {
        return ERR_IO;
    }
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) {
        return ERR_IO;
    }
    *slash = '\0';
    return ERR_OK;
}

static enum err find_and_confine(struct convert_role *r)
{
    TRY(find_dir(r->dir));
    if (confine_has_landlock()) {
        r->tools = convert_tools_probe(r->dir);
    } else {
        log_warn("this kernel has no Landlock; only text is converted");
    }
    return confine(r->boot, ROLE_CONVERT, str_from_c(r->dir));
}

static void run(struct convert_role *r)
{
    static const struct boot_handler HANDLER = {.on_peer = on_peer, .on_stop = on_stop};
    const struct boot *b = r->boot;
    struct convert_desk_config config = {
        .loop = r->loop,
        .dir = r->dir,
        .tools = r->tools,
        .slots = (unsigned)boot_get_u64(b, STR("convert_slots"), 1),
        .time_s = boot_get_u64(b, STR("convert_time_s"), 20),
        .memory = boot_get_u64(b, STR("convert_memory"), 1U << 30),
        .pixels = boot_get_u64(b, STR("convert_pixels"), 100000000),
        .input_most = boot_get_u64(b, STR("convert_input_most"), 1U << 26),
        .output_most = boot_get_u64(b, STR("convert_output_most"), 1U << 25),
    };
    r->desk = convert_desk_new(&config);
    r->children = signal_watch_new(r->loop, SIGCHLD, on_child, r);
    peers_init(&r->peers, r->loop, PEERS, &LINK_HANDLER, r);
    boot_attach(r->boot, r->loop, &HANDLER, r);
    loop_run(r->loop);
    convert_desk_free(&r->desk);
    signal_watch_free(&r->children);
    peers_release(&r->peers);
}

int main(void)
{
    struct convert_role r = {.tools = 0};
    if (boot_begin("convert", &r.boot) != ERR_OK) {
        return 3;
    }
    r.loop = loop_new();
    enum err e = find_and_confine(&r);
    if (e != ERR_OK) {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    } else {
        run(&r);
    }
    boot_free(&r.boot);
    loop_free(&r.loop);
    return e == ERR_OK ? 0 : 3;
}
