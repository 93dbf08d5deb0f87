#ifndef LIMETTA_BASE_LOG_H
#define LIMETTA_BASE_LOG_H

/* One line a call on standard error: time, level, role, text. The supervisor gathers them into one log.
 * Never give it secrets, URLAUTH tokens or message content. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Says who we are ("store.3") and what to keep. role: borrowed, static. */
void log_init(const char *role, enum log_level most);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
