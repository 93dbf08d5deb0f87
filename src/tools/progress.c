/* Progress for people and for logs.
 *
 * On a terminal: one line, redrawn at most ten times a second. Elsewhere (a pipe, a log): a plain line every few
 * seconds and one at the end, because a log full of redraws helps nobody. */
#include "tools/tool.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MS = 100, LINE_MS = 5000, BAR_WIDTH = 30 };

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_start(struct progress *p, const char *what, uint64_t total)
{
    *p = (struct progress){.what = what, .total = total, .started_ms = now_ms()};
    p->shown_ms = p->started_ms;
    p->is_terminal = isatty(STDERR_FILENO) == 1;
}

static void show(const struct progress *p, uint64_t elapsed_ms)
{
    uint64_t ms = elapsed_ms == 0 ? 1 : elapsed_ms;
    unsigned long long rate = (unsigned long long)(p->done * 1000 / ms);
    unsigned long long mib = (unsigned long long)(p->octets / 1048576);
    unsigned long long done = (unsigned long long)p->done;
    unsigned long long total = (unsigned long long)(p->total < p->done ? p->done : p->total);
    if (!p->is_terminal) {
        (void)fprintf(stderr, "%s: %llu of %llu messages, %llu MiB, %llu a second\n", p->what, done,
                      total, mib, rate);
        return;
    }
    char bar[BAR_WIDTH + 1];
    for (unsigned i = 0; i < BAR_WIDTH; i++) {
        bar[i] = (char)(total > 0 && i < done * BAR_WIDTH / total ? '#' : '.');
    }
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%s [%s] %llu/%llu messages, %llu MiB, %llu/s ", p->what, bar, done,
                  total, mib, rate);
}

void progress_add(struct progress *p, uint64_t octets)
{
    uint64_t now = now_ms();
    p->done++;
    p->octets += octets;
    if (now - p->shown_ms >= (p->is_terminal ? REDRAW_MS : LINE_MS)) {
        p->shown_ms = now;
        show(p, now - p->started_ms);
    }
}

void progress_end(struct progress *p)
{
    show(p, now_ms() - p->started_ms);
    if (p->is_terminal) {
        (void)fputc('\n', stderr);
    }
}
