/* limetta-convert-office: the text of an office document.
 *
 *     limetta-convert-office TYPE  <document  >text
 *
 * The convert role starts it, confined, for each document. Exit code 1: there is no text to be had. */
#include "convert/office.h"
#include "convert/strict.h"

#include <unistd.h>

enum { INPUT_MOST = 1 << 30, OUTPUT_MOST = 256 * 1024 * 1024, PIECE_SIZE = 64 * 1024 };

static bool read_all(struct buf *in)
{
    for (;;) {
        char *at = buf_reserve(in, PIECE_SIZE);
        ssize_t n = at == NULL ? -1 : read(STDIN_FILENO, at, PIECE_SIZE);
        if (n <= 0) {
            return n == 0;
        }
        buf_commit(in, (size_t)n);
    }
}

static bool write_all(struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(STDOUT_FILENO, s.p, s.n);
        if (n <= 0) {
            return false;
        }
        s = str_skip(s, (size_t)n);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct buf in = BUF_INIT(INPUT_MOST);
    struct buf out = BUF_INIT(OUTPUT_MOST);
    bool is_fine = argc == 2 && strict_begin() && read_all(&in)
                   && office_to_text(str_from_c(argv[1]), buf_str(&in), &out) == ERR_OK
                   && write_all(buf_str(&out));
    buf_release(&in);
    buf_release(&out);
    return is_fine ? 0 : 1;
}
