/* A server that runs holds the queue for itself, so the tool asks it; when nobody listens at the control socket, the tool opens
 * the queue and answers itself, with the same words (queue/admin.h). */
#include "tools/queue_link.h"

#include "queue/admin.h"
#include "tools/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A connected socket; -1: nobody listens there. */
static int connect_to(const char *state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/queue", state);
    if (n < 0 || (size_t)n >= sizeof(at.sun_path)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        int why = errno;
        (void)close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

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
    l->fd = connect_to(state);
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

/* The last block of an answer that is whole; empty: it is not. */
static struct str find_end(struct str answer)
{
    if (!str_ends(answer, STR("\n\n"))) {
        return STR_EMPTY;
    }
    answer.n--;
    if (str_starts(answer, STR("type=end\n"))) {
        return answer;
    }
    size_t at = str_find_str(answer, STR("\n\ntype=end\n"));
    return at < answer.n ? str_skip(answer, at + 2) : STR_EMPTY;
}

static enum err ask_server(struct queue_link *l, struct str request, struct buf *answer)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(ADMIN_REQUEST_MOST + 2);
    buf_add(&out, request);
    buf_add_char(&out, '\n');
    TRY(buf_err(&out));
    if (send(l->fd, out.p, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
        return ERR_PEER_GONE;
    }
    while (find_end(buf_str(answer)).n == 0) {
        char piece[16384];
        ssize_t n = recv(l->fd, piece, sizeof(piece), 0);
        if (n <= 0) {
            return ERR_PEER_GONE;
        }
        buf_add(answer, str_make(piece, (size_t)n));
        TRY(buf_err(answer));
    }
    return ERR_OK;
}

int queue_link_ask(struct queue_link *l, struct str request, struct buf *answer)
{
    buf_clear(answer);
    enum err e = l->fd >= 0 ? ask_server(l, request, answer) : answer_here(l, request, answer);
    if (e == ERR_PEER_GONE) {
        return tool_fail(EXIT_ENVIRONMENT, "the server stopped answering");
    }
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "the queue: %s", tool_explain(e));
    }
    struct fields f;
    if (fields_parse(find_end(buf_str(answer)), &f) != ERR_OK) {
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

bool queue_link_next(struct str *answer, struct fields *f)
{
    size_t end = str_find_str(*answer, STR("\n\n"));
    struct str block = str_sub(*answer, 0, end + 1);
    *answer = str_skip(*answer, end + 2);
    return block.n > 0 && fields_parse(block, f) == ERR_OK;
}
