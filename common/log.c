/* The log: a line is put together on the stack and leaves in one write, or waits for the others
 * of the same turn.
 *
 * A line is never longer than what a pipe takes whole or not at all, and lines leave in pieces
 * no longer than that, so those of several processes on one pipe do not mix. Where stderr is
 * full, lines are lost, counted and told of later: the log never costs the process time. When
 * ten thousand connections end in one turn, whoever reads a pipe gets a moment to read, once:
 * if he uses it, he gets another. */
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/iso8601.h"
#include "common/mem.h"

enum {
    LINE_BYTES = 4096,
    KEPT_BYTES = 256 * 1024,
    MOMENT_MS = 20,    /* for a reader to make room */
    LAST_MS = 1000,    /* ... when the process ends */
    LINE_RESERVE = 32, /* for a closing quote, the mark of a cut line, the line's end */
    UNIT_BYTES = 8     /* room for one escaped byte or one character */
};

struct line {
    size_t len;
    bool cut; /* something did not fit, nothing more goes in */
    char at[LINE_BYTES];
};

static const char *const level_words[] = {"debug", "info", "warn", "error"};

static enum log_level wanted = LOG_INFO;
static enum log_format form = LOG_FORMAT_TEXT;
static unsigned long long lost;   /* lines since the last that was written */
static unsigned long long missed; /* ... of all */
static bool torn;                 /* the last line was written in part */

/* Lines that wait; whole ones, but for the first, of which a part may be gone. */
static struct {
    bool on;
    bool stuck; /* the reader had his moment and did not use it */
    size_t from, to;
    char *at; /* KEPT_BYTES, from the first log_hold on; kept for good */
} kept;

void log_setup(enum log_level level, enum log_format format)
{
    wanted = level;
    form = format;
}

unsigned long long log_lost(void)
{
    return missed;
}

bool log_wants(enum log_level level)
{
    return level >= wanted;
}

/* All of it or nothing. */
static void put(struct line *line, struct str bytes)
{
    if (line->cut || bytes.len > LINE_BYTES - LINE_RESERVE - line->len) {
        line->cut = true;
        return;
    }
    memcpy(line->at + line->len, bytes.at, bytes.len);
    line->len += bytes.len;
}

/* Into the reserve. */
static void put_end(struct line *line, const char *text)
{
    size_t len = strlen(text);

    memcpy(line->at + line->len, text, len);
    line->len += len;
}

/* What a terminal would not show as a character of its own, or would take as an order. */
static bool is_hidden(uint32_t c)
{
    return c < 0xa0 || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xfff0 && c <= 0xfffb) ||
           (c & 0xfffe) == 0xfffe || (c >= 0xe0000);
}

/* The length of the visible character beyond ASCII at the front of `text`; 0 when there is
 * none. */
static size_t visible(struct str text)
{
    unsigned char first = (unsigned char)text.at[0];
    size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c = first & (0xffu >> (len + 1));

    if (first < 0xc2 || len > text.len || !codec_is_utf8(str_from(text.at, len))) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        c = c << 6 | ((unsigned char)text.at[i] & 0x3f);
    }
    return is_hidden(c) ? 0 : len;
}

/* Between quotes. */
static void put_escaped(struct line *line, struct str text)
{
    while (text.len > 0 && !line->cut) {
        unsigned char c = (unsigned char)text.at[0];
        size_t taken = 1;
        char unit[UNIT_BYTES];

        if (c == '"' || c == '\\') {
            put(line, str_from((char[]){'\\', (char)c}, 2));
        } else if (c >= ' ' && c <= '~') {
            put(line, str_from(text.at, 1));
        } else if (c >= 0x80 && visible(text) > 0) {
            taken = visible(text);
            put(line, str_from(text.at, taken));
        } else {
            snprintf(unit, sizeof(unit), form == LOG_FORMAT_JSON ? "\\u%04x" : "\\x%02x", c);
            put(line, str_of(unit));
        }
        text = str_skip(text, taken);
    }
}

/* Text that can be told from what surrounds it as it is: visible ASCII without quote, backslash
 * and equals sign. */
static bool is_bare(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return text.len > 0;
}

static void put_quoted(struct line *line, struct str text)
{
    put(line, STR("\""));
    if (!line->cut) {
        put_escaped(line, text);
        put_end(line, "\"");
    }
}

/* A key and what leads to its value: in JSON without a value it must not stand there. */
static void put_key(struct line *line, const char *key, struct str value)
{
    size_t start = line->len;

    put(line, form == LOG_FORMAT_JSON ? STR(",\"") : STR(" "));
    put(line, str_of(key));
    put(line, form == LOG_FORMAT_JSON ? STR("\":") : STR("="));
    if (line->cut || line->len + value.len > LINE_BYTES - LINE_RESERVE) {
        line->cut = true;
        line->len = start;
    }
}

static void put_text(struct line *line, const char *key, struct str text)
{
    if (form == LOG_FORMAT_TEXT && is_bare(text)) {
        put_key(line, key, STR("x"));
        for (size_t i = 0; i < text.len && !line->cut; i++) {
            put(line, str_from(text.at + i, 1));
        }
        return;
    }
    put_key(line, key, STR("\""));
    put_quoted(line, text);
}

static void put_number(struct line *line, const char *key, long long number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%lld", number);
    put_key(line, key, str_of(digits));
    put(line, str_of(digits));
}

static void put_fields(struct line *line, const struct log_field *fields)
{
    for (; fields->key && !line->cut; fields++) {
        if (fields->text.at) {
            put_text(line, fields->key, fields->text);
        } else {
            put_number(line, fields->key, fields->number);
        }
    }
}

static void put_head(struct line *line, enum log_level level, const char *event)
{
    struct timespec now;
    char time[ISO8601_TEXT_MAX];

    clock_gettime(CLOCK_REALTIME, &now);
    iso8601_format((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time);
    if (form == LOG_FORMAT_JSON) {
        put(line, STR("{\"time\":\""));
        put(line, str_of(time));
        put(line, STR("\""));
        put_text(line, "level", str_of(level_words[level]));
        put_text(line, "event", str_of(event));
    } else {
        put(line, str_of(time));
        put(line, STR(" "));
        put(line, str_of(level_words[level]));
        put(line, STR(" "));
        put(line, str_of(event));
    }
}

/* False when stderr does not take it now. What else may be wrong with stderr, nobody can be
 * told. */
static bool deliver(const struct line *line)
{
    ssize_t written;

    do {
        written = write(STDERR_FILENO, line->at, line->len);
    } while (written < 0 && errno == EINTR);
    if (written >= 0) {
        torn = (size_t)written < line->len;
    }
    return written >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* ---- what is kept ---- */

/* How much of what waits leaves in one write: whole lines, as many as a pipe takes at once. */
static size_t piece(void)
{
    size_t len = kept.to - kept.from;
    const char *end;

    if (len <= PIPE_BUF) {
        return len;
    }
    end = memrchr(kept.at + kept.from, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end - (kept.at + kept.from)) + 1 : PIPE_BUF;
}

static void count_lost(const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] == '\n') {
            lost++;
            missed++;
        }
    }
}

/* False when stderr has no room within that time. */
static bool write_piece(int wait_ms)
{
    struct pollfd stderr_ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    size_t len = piece();
    ssize_t written;

    if (poll(&stderr_ready, 1, wait_ms) == 0) {
        return false;
    }
    do {
        written = write(STDERR_FILENO, kept.at + kept.from, len);
    } while (written < 0 && errno == EINTR);
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return false;
    }
    if (written < 0) { /* closed, or a disk is full */
        count_lost(kept.at + kept.from, len);
        written = (ssize_t)len;
    }
    kept.from += (size_t)written;
    kept.stuck = false;
    return true;
}

static void write_kept(int wait_ms)
{
    while (kept.from < kept.to && write_piece(wait_ms)) {
    }
    if (kept.from > 0) {
        memmove(kept.at, kept.at + kept.from, kept.to - kept.from);
        kept.to -= kept.from;
        kept.from = 0;
    }
}

static bool keep(const struct line *line)
{
    if (line->len > KEPT_BYTES - kept.to) {
        write_kept(0);
    }
    if (line->len > KEPT_BYTES - kept.to && !kept.stuck) {
        kept.stuck = true; /* until something leaves */
        write_piece(MOMENT_MS);
        write_kept(0);
    }
    if (line->len > KEPT_BYTES - kept.to) {
        return false;
    }
    memcpy(kept.at + kept.to, line->at, line->len);
    kept.to += line->len;
    return true;
}

void log_hold(void)
{
    if (kept.at == NULL) {
        kept.at = mem_alloc(KEPT_BYTES);
    }
    kept.on = true;
}

void log_flush(void)
{
    if (kept.from < kept.to) {
        write_kept(0);
    }
}

void log_release(void)
{
    struct timespec start, now;
    int left = LAST_MS;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (kept.from < kept.to && left > 0 && write_piece(left)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = LAST_MS - (int)((now.tv_sec - start.tv_sec) * 1000 +
                               (now.tv_nsec - start.tv_nsec) / 1000000);
    }
    kept.from = kept.to = 0;
    kept.on = false;
}

/* ---- lines ---- */

static bool say(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line line;

    line.len = 0;
    line.cut = false;
    if (torn) {
        put(&line, STR("\n")); /* only files on a full disk and sockets tear a line */
    }
    put_head(&line, level, event);
    put_fields(&line, fields);
    if (form == LOG_FORMAT_JSON) {
        put_end(&line, line.cut ? ",\"cut\":true}\n" : "}\n");
    } else {
        put_end(&line, line.cut ? " cut=true\n" : "\n");
    }
    return kept.on ? keep(&line) : deliver(&line);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    if (lost > 0) {
        const struct log_field count[] = {LOG_NUMBER("count", lost), {0}};

        if (!say(LOG_WARN, "log lines lost", count)) {
            lost++;
            missed++;
            return;
        }
        lost = 0;
    }
    if (!say(level, event, fields)) {
        lost++;
        missed++;
    }
    if (kept.on && level >= LOG_WARN) {
        write_kept(0);
    }
}
