#ifndef LIMETTA_BASE_LOG_H
#define LIMETTA_BASE_LOG_H

#include <stdint.h>

/* One line a call on standard error: time, level, role, which client's connection it is about, text. The supervisor
 * gathers them into one log. Never give it secrets, URLAUTH tokens or message content. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Says who we are ("store.3") and what to keep. role: borrowed, static. */
void log_init(const char *role, enum log_level most);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lines from now on are about the connection of that id, until log_restore() or the next call; 0: none. Returns what
 * was before, for CLEANUP(log_restore) uint32_t before = log_about(id). The edge gives the ids; messages between
 * roles carry them, as numbers. */
uint32_t log_about(uint32_t id);
void log_restore(const uint32_t *before);
uint32_t log_get_about(void);

/* For lines that a peer can cause as often as it likes: one a second of each kind. The words to end the line with
 * ("", or that there were others), or NULL: no line now. A pace that is all zero is new. now_ms: any clock, always
 * the same one. */
struct log_pace {
    uint64_t last_ms;
    uint64_t left_out;
};
const char *log_pace(struct log_pace *p, uint64_t now_ms);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
