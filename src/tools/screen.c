/* Plain ANSI: home, clear to the end of the line, clear below. No state is kept here: what must be put back is the terminal's own
 * echo and line mode, which the kernel remembers. A terminal that was resized is drawn right the next second. */
#include "tools/screen.h"

#include "base/utf8.h"

#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_C = 3, WAIT_MS = 1000, ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80 };

static void set_keys(bool is_raw)
{
    struct termios t;
    if (tcgetattr(STDIN_FILENO, &t) != 0) {
        return;
    }
    tcflag_t modes =
        ICANON | ECHO | ISIG; /* Ctrl-C is a key, too: dying of it would leave the terminal so */
    t.c_lflag = is_raw ? t.c_lflag & ~modes : t.c_lflag | modes;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

bool screen_begin(void)
{
    if (isatty(STDOUT_FILENO) == 0) {
        return false;
    }
    set_keys(true);
    (void)fputs("\033[2J", stdout);
    return true;
}

/* The line's first characters. Those that take two columns count as one: such a line may wrap. */
static struct str cut(struct str line, unsigned columns)
{
    struct str rest = line;
    uint32_t c = 0;
    while (columns > 0 && rest.n > 0 && utf8_next(&rest, &c)) {
        columns--;
    }
    line.n -= rest.n;
    return line;
}

void screen_draw(struct str text)
{
    struct winsize size = {.ws_row = 0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row <= 2 || size.ws_col <= 2) {
        size.ws_row = ROWS_DEFAULT;
        size.ws_col = COLUMNS_DEFAULT;
    }
    (void)fputs("\033[H", stdout);
    for (unsigned i = 0; i + 1U < size.ws_row && text.n > 0; i++) {
        struct str line = cut(str_split(&text, '\n'), size.ws_col);
        (void)printf("%.*s\033[K\n", STR_ARG(line));
    }
    (void)fputs("\033[J", stdout);
    (void)fflush(stdout);
}

bool screen_wait(void)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = '\0';
    if (isatty(STDIN_FILENO) == 0) {
        (void)poll(NULL, 0, WAIT_MS);
        return true;
    }
    return poll(&keys, 1, WAIT_MS) <= 0 || read(STDIN_FILENO, &key, 1) != 1
           || (key != 'q' && key != CTRL_C);
}

void screen_end(void)
{
    set_keys(false);
    (void)fputs("\n", stdout);
}
