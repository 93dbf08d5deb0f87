/* Logging: the one place with process-wide state, because a line must be writable from anywhere.
 *
 * A line is built whole and written with one write(), so lines of many processes on one pipe never mix
 * (they stay under PIPE_BUF). Control characters from peers become '?', so a line cannot forge another. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MOST = 1024 };

static const char *log_role = "limetta";
static enum log_level log_most = LOG_LEVEL_INFO;

void log_init(const char *role, enum log_level most)
{
    log_role = role;
    log_most = most;
}

static int print_head(char *line, size_t size, enum log_level level)
{
    static const char *const NAMES[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm utc;
    char when[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    return snprintf(line, size, "%s.%03ldZ %-5s %s: ", when, now.tv_nsec / 1000000, NAMES[level],
                    log_role);
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
    for (int i = head; i < len; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[len] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)len + 1);
    (void)written; /* nowhere to report it */
}
