/* A server that runs holds the queue for itself, so the tool asks it; when nobody listens at the control socket, the tool opens
 * the queue and answers itself, with the same words (queue/admin.h). */
#include "tools/queue_link.h"

#include "queue/admin.h"
#include "tools/desk_link.h"
#include "tools/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int open_here(const char *state, uint64_t lifetime_ms, struct queue_link *l)
{
    char dir[PATH_MAX];
    int n = snprintf(dir, sizeof(dir), "%s/queue", state);
    if (n < 0 || (size_t)n >= sizeof(dir) || access(dir, F_OK) != 0) {
        return tool_fail(EXIT_NOT_SO, "%s: there is no queue", state);
    }
    enum err e = queue_open(str_from_c(dir), &l->queue);
    if (e == ERR_IN_USE) {
        return tool_fail(EXIT_ENVIRONMENT,
                         "%s: a server runs and does not answer at %s/run/queue; try again", dir,
                         state);
    }
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", dir, tool_explain(e));
    }
    queue_set_rules(l->queue, &(struct queue_rules){.lifetime_ms = lifetime_ms});
    return EXIT_FINE;
}

int queue_link_open(const char *state, struct str hostname, uint64_t lifetime_ms,
                    struct queue_link *l)
{
    *l = (struct queue_link){.hostname = hostname};
    l->fd = desk_link_open(state, "queue");
    if (l->fd < 0 && (errno == EACCES || errno == EPERM)) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", state, tool_explain(ERR_NO_PERMISSION));
    }
    return l->fd >= 0 ? EXIT_FINE : open_here(state, lifetime_ms, l);
}

void queue_link_close(struct queue_link *l)
{
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    queue_close(&l->queue);
}

static enum err answer_here(struct queue_link *l, struct str request, struct buf *answer)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct admin a = {
        .queue = l->queue,
        .hostname = l->hostname,
        .now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
    };
    admin_answer(&a, request, answer);
    return queue_has_pending(l->queue) ? queue_commit(l->queue) : ERR_OK;
}

int queue_link_ask(struct queue_link *l, struct str request, struct buf *answer)
{
    buf_clear(answer);
    enum err e =
        l->fd >= 0 ? desk_link_ask(l->fd, request, answer) : answer_here(l, request, answer);
    if (e == ERR_PEER_GONE) {
        return tool_fail(EXIT_ENVIRONMENT, "the server stopped answering");
    }
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "the queue: %s", tool_explain(e));
    }
    struct fields f;
    if (fields_parse(desk_link_find_end(buf_str(answer)), &f) != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "the server's answer makes no sense");
    }
    int code = EXIT_FINE;
    if (!str_eq(fields_get(&f, STR("result")), STR("ok"))) {
        code = tool_fail(EXIT_ENVIRONMENT, "the queue says no: %.*s",
                         STR_ARG(fields_get(&f, STR("code"))));
    }
    fields_release(&f);
    return code;
}
