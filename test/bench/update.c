/* Updates of a player: written by snprintf, read from their end. */
#include "test/bench/update.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const verbs[UPDATE_VERBS] = {"change_position", "on_pause", "off_pause"};

const char *update_time(uint64_t at_ms)
{
    static char text[UPDATE_TIME_MAX];
    static uint64_t written; /* most calls are for the same moment */
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm tm;

    if (at_ms != written) {
        gmtime_r(&seconds, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(text + 19, sizeof(text) - 19, ".%03u+0000", (unsigned)(at_ms % 1000));
        written = at_ms;
    }
    return text;
}

struct str update_write(const struct update *update, char room[UPDATE_MAX])
{
    char position[48] = "";
    int length;

    if (update->verb == UPDATE_SEEK) {
        snprintf(position, sizeof(position), "\"last_sec_position\":%u,", update->position);
    }
    length = snprintf(room, UPDATE_MAX,
                      "{\"type_push_state\":\"%s\",%s\"time_state_update\":\"%s\",\"n\":%llu,"
                      "\"t\":%llu}",
                      verbs[update->verb], position, update_time(update->at_ms),
                      (unsigned long long)update->number, (unsigned long long)update->sent_ns);
    return str_from(room, (size_t)length);
}

/* The number in front of `*end`, with this name in front of itself; `*end` moves to the name.
 */
static bool read_back(const char *start, const char **end, struct str name, uint64_t *value)
{
    const char *at = *end;
    uint64_t unit = 1;

    *value = 0;
    while (at > start && at[-1] >= '0' && at[-1] <= '9' && unit <= UINT64_MAX / 100) {
        *value += unit * (uint64_t)(*--at - '0');
        unit *= 10;
    }
    if (unit == 1 || (size_t)(at - start) < name.len ||
        memcmp(at - name.len, name.at, name.len) != 0) {
        return false;
    }
    *end = at - name.len;
    return true;
}

bool update_read(struct str text, uint64_t *number, uint64_t *sent_ns)
{
    const char *end = text.at + text.len;

    while (end > text.at && (end[-1] == '}' || end[-1] == ']')) {
        end--;
    }
    return read_back(text.at, &end, STR(",\"t\":"), sent_ns) &&
           read_back(text.at, &end, STR(",\"n\":"), number);
}
