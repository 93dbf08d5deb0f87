/* limetta sieve run: what a script would do with a message, and why.
 *
 * The environment is what delivery would give it, as far as a file and a command line can say: an envelope when --from or --to is
 * given, the account of --user, this host's time and zone. Line ends of the message become CRLF, as in mail. */
#include "tools/sieve.h"

#include "mime/date.h"
#include "tools/tool.h"

#include <stdlib.h>
#include <time.h>

enum { ARENA_ROOM = 64 * 1024 * 1024 };

/* Each LF that has no CR gets one. */
static void add_line_ends(struct str in, struct buf *out)
{
    while (in.n > 0) {
        size_t end = str_find_char(in, '\n');
        struct str line = str_sub(in, 0, end);
        buf_add(out, line);
        if (end < in.n) {
            buf_add_c(out, str_ends(line, STR("\r")) ? "\n" : "\r\n");
        }
        in = str_skip(in, end + 1);
    }
}

static int read_message(const char *path, struct buf *out)
{
    CLEANUP(buf_release) struct buf raw = BUF_INIT(SIEVE_TOOL_FILE_MOST);
    int code = sieve_tool_read(path, &raw);
    if (code == EXIT_FINE) {
        add_line_ends(buf_str(&raw), out);
    }
    return code;
}

struct trial {
    const struct sieve_args *args;
    struct sieve_script *script;
    struct buf message;
    struct store *store;
    struct sieve_world world;
    struct sieve_show *show;
    struct sieve_result result;
};

static int open_account(struct trial *t)
{
    if (t->args->user == NULL) {
        return EXIT_FINE;
    }
    enum err e = tool_open_store(t->args->state, &t->store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", t->args->state, tool_explain(e));
    }
    return tool_open_account(t->store, t->args->user, false, &t->world.account);
}

static int run_script(struct trial *t)
{
    time_t now = time(NULL);
    struct str user = str_from_c(t->args->user);
    struct str own[2] = {str_from_c(t->args->to), user};
    bool has_to = t->args->to != NULL;
    struct sieve_host host = SIEVE_WORLD_HOST;
    if (!t->args->is_traced) {
        host.trace = NULL;
    }
    struct sieve_env env = {
        .message = buf_str(&t->message),
        .has_envelope = has_to || t->args->from != NULL,
        .from = str_from_c(t->args->from),
        .to = own[0],
        .now_s = now,
        .zone_s = date_find_zone(now),
        .user = user,
        .addresses = {has_to ? own : own + 1, (has_to ? 1U : 0U) + (user.n > 0 ? 1U : 0U)},
        .host = &host,
        .owner = &t->world,
    };
    enum err e = sieve_run(t->script, &env, t->world.arena, &t->result);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "the run ended: %s", tool_explain(e));
    }
    sieve_show_result(t->show, &t->result);
    return t->result.is_failed ? EXIT_NOT_SO : EXIT_FINE;
}

int sieve_tool_run(const struct sieve_args *args)
{
    struct sieve_limits limits;
    sieve_limits_init(&limits);
    struct trial t = {.args = args, .message = BUF_INIT(2 * (size_t)SIEVE_TOOL_FILE_MOST)};
    int code = sieve_tool_compile(args, args->words[0], &t.script);
    code = code == EXIT_FINE ? read_message(args->words[1], &t.message) : code;
    code = code == EXIT_FINE ? open_account(&t) : code;
    if (code == EXIT_FINE) {
        t.show = sieve_show_new(args);
        t.world.arena = arena_new((size_t)limits.memory_octets + ARENA_ROOM);
        t.world.trace = sieve_show_trace;
        t.world.trace_owner = t.show;
        code = run_script(&t);
        sieve_show_free(&t.show);
        arena_free(&t.world.arena);
    }
    account_unref(&t.world.account);
    store_free(&t.store);
    buf_release(&t.message);
    sieve_script_free(&t.script);
    return code;
}
