/* The log: one line per event on stderr, "TIME LEVEL EVENT key=value ..." or the same as a JSON
 * object.
 *
 *     log_write(LOG_INFO, "connection closed", LOG_TEXT("reason", "peer lost"));
 *
 * Values are escaped, so that an outsider's bytes can neither forge a line nor break a
 * terminal. Secrets are never given to it. */
#ifndef SEGUE_COMMON_LOG_H
#define SEGUE_COMMON_LOG_H

#include "common/str.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
};
enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON
};

struct log_field {
    const char *key; /* NULL ends the list */
    struct str text; /* at == NULL: the number counts */
    long long number;
};

#define LOG_TEXT(key, value)   ((struct log_field){(key), str_of(value), 0})
#define LOG_STR(key, value)    ((struct log_field){(key), (value), 0})
#define LOG_NUMBER(key, value) ((struct log_field){(key), {NULL, 0}, (long long)(value)})

void log_setup(enum log_level level, enum log_format format);
bool log_wants(enum log_level level);
/* From here on lines are kept, and leave together with log_flush, which never waits for whoever
 * reads stderr; warnings and errors leave at once. What is beyond what is kept is lost, counted
 * and told of. */
void log_hold(void);
void log_flush(void);
void log_release(void); /* all that is kept leaves, within a second; then no more is kept */

unsigned long long log_lost(void); /* lines that stderr did not take, of all */
void log_fields(enum log_level level, const char *event, const struct log_field *fields);

/* log_write(level, event, fields...): fields are worked out only when the level is wanted. */
#define log_write(level, ...) LOG_WRITE(level, __VA_ARGS__, {0})
#define LOG_WRITE(level, event, ...)                                                           \
    do {                                                                                       \
        if (log_wants(level)) {                                                                \
            log_fields((level), (event), (const struct log_field[]){__VA_ARGS__});             \
        }                                                                                      \
    } while (0)

#endif
