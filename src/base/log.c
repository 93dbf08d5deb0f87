/* Logging: the one place with process-wide state, because a line must be writable from anywhere.
 *
 * A line is built whole and written with one write(), so lines of many processes on one pipe never mix
 * (they stay under PIPE_BUF). Control characters from peers become '?', so a line cannot forge another, nor steer the
 * terminal of who reads it: those of C1, which some terminals obey in UTF-8, too, and octets that are no UTF-8. */
#include "base/log.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MOST = 1024, ID_SIZE = 7, PACE_MS = 1000 };

static const char *log_role = "limetta";
static enum log_level log_most = LOG_LEVEL_INFO;
static uint32_t log_id; /* 0: the line is about no client's connection */

void log_init(const char *role, enum log_level most)
{
    log_role = role;
    log_most = most;
}

uint32_t log_about(uint32_t id)
{
    uint32_t before = log_id;
    log_id = id;
    return before;
}

void log_restore(const uint32_t *before)
{
    log_id = *before;
}

uint32_t log_get_about(void)
{
    return log_id;
}

/* "[k3f9x2a] ", seven letters and digits that are not mistaken for each other; nothing for 0. */
static void print_id(char out[ID_SIZE + 4], uint32_t id)
{
    static const char LETTERS[] = "0123456789abcdefghjkmnpqrstvwxyz";
    int n = 0;
    out[0] = '\0';
    if (id == 0) {
        return;
    }
    out[n++] = '[';
    for (unsigned shift = (ID_SIZE - 1) * 5; n <= ID_SIZE; shift -= 5) {
        out[n++] = LETTERS[id >> shift & 31];
    }
    out[n++] = ']';
    out[n++] = ' ';
    out[n] = '\0';
}

static int print_head(char *line, size_t size, enum log_level level)
{
    static const char *const NAMES[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm utc;
    char when[32];
    char about[ID_SIZE + 4];
    print_id(about, log_id);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    return snprintf(line, size, "%s.%03ldZ %-5s %s: %s", when, now.tv_nsec / 1000000, NAMES[level],
                    log_role, about);
}

/* Octets at the start of s that may be shown as they are; 0: the first may not. */
static size_t count_plain(struct str s)
{
    size_t size = utf8_check(s);
    if (size == 0 || size > 4) {
        return 0;
    }
    uint32_t c = utf8_get(s, size);
    return c < ' ' || (c >= 0x7f && c <= 0x9f) ? 0 : size;
}

static void clean(char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t size = count_plain(str_make(p + i, n - i));
        if (size == 0) {
            p[i] = '?';
        }
        i += size > 0 ? size : 1;
    }
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_MOST];
    if (level > log_most) {
        return;
    }
    int head = print_head(line, sizeof(line) - 1, level);
    va_list args;
    va_start(args, format);
    int body = vsnprintf(line + head, sizeof(line) - 1 - (size_t)head, format, args);
    va_end(args);
    int most = LINE_MOST - 2 - head;
    int len = head + (body < 0 ? 0 : body > most ? most : body);
    clean(line + head, (size_t)(len - head));
    line[len] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)len + 1);
    (void)written; /* nowhere to report it */
}

const char *log_pace(struct log_pace *p, uint64_t now_ms)
{
    if (p->last_ms != 0 && now_ms - p->last_ms < PACE_MS) {
        p->left_out++;
        return NULL;
    }
    const char *words = p->left_out > 0 ? " (and others like it since)" : "";
    p->last_ms = now_ms;
    p->left_out = 0;
    return words;
}
