/* Asking a running server: one request, then reading until the block that ends the answer has come. Blocking calls: a tool has
 * nothing else to do meanwhile. */
#include "tools/desk_link.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int desk_link_open(const char *state, const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/%s", state, name);
    if (n < 0 || (size_t)n >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
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

struct str desk_link_find_end(struct str answer)
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

enum err desk_link_ask(int fd, struct str request, struct buf *answer)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(request.n + 2);
    buf_add(&out, request);
    buf_add_char(&out, '\n');
    TRY(buf_err(&out));
    if (send(fd, out.p, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
        return ERR_PEER_GONE;
    }
    while (desk_link_find_end(buf_str(answer)).n == 0) {
        char piece[16384];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0) {
            return ERR_PEER_GONE;
        }
        buf_add(answer, str_make(piece, (size_t)n));
        TRY(buf_err(answer));
    }
    return ERR_OK;
}

bool desk_link_next(struct str *answer, struct fields *f)
{
    size_t end = str_find_str(*answer, STR("\n\n"));
    struct str block = str_sub(*answer, 0, end + 1);
    *answer = str_skip(*answer, end + 2);
    return block.n > 0 && fields_parse(block, f) == ERR_OK;
}
