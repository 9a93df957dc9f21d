/* MessagePack from outside: strict, bounded, and any value of it as JSON. */
#include "gateway/adapter/msgpack_text.h"

#include <inttypes.h>
#include <math.h>

#include "common/codec.h"
#include "common/iso8601.h"
#include "common/json.h"

/* ---- scanning ---- */

/* What the first byte of a value says. */
struct head {
    unsigned char first, last;
    unsigned char size; /* bytes behind it that belong to the head: a count, or the value */
    enum {
        PLAIN, /* the head is all */
        BYTES, /* as many bytes as the count says follow */
        EXTRA, /* ... and one more: an extension's type */
        ITEMS, /* as many values */
        PAIRS  /* ... twice */
    } kind;
    unsigned char
        count; /* where size is 0: what is masked out of the first byte is the count */
};

static const struct head heads[] = {
    {0x00, 0x7f, 0, PLAIN, 0},    {0x80, 0x8f, 0, PAIRS, 0x80}, {0x90, 0x9f, 0, ITEMS, 0x90},
    {0xa0, 0xbf, 0, BYTES, 0xa0}, {0xc0, 0xc0, 0, PLAIN, 0},    {0xc2, 0xc3, 0, PLAIN, 0},
    {0xc4, 0xc4, 1, BYTES, 0},    {0xc5, 0xc5, 2, BYTES, 0},    {0xc6, 0xc6, 4, BYTES, 0},
    {0xc7, 0xc7, 1, EXTRA, 0},    {0xc8, 0xc8, 2, EXTRA, 0},    {0xc9, 0xc9, 4, EXTRA, 0},
    {0xca, 0xca, 4, PLAIN, 0},    {0xcb, 0xcb, 8, PLAIN, 0},    {0xcc, 0xcc, 1, PLAIN, 0},
    {0xcd, 0xcd, 2, PLAIN, 0},    {0xce, 0xce, 4, PLAIN, 0},    {0xcf, 0xcf, 8, PLAIN, 0},
    {0xd0, 0xd0, 1, PLAIN, 0},    {0xd1, 0xd1, 2, PLAIN, 0},    {0xd2, 0xd2, 4, PLAIN, 0},
    {0xd3, 0xd3, 8, PLAIN, 0},    {0xd4, 0xd4, 2, PLAIN, 0},    {0xd5, 0xd5, 3, PLAIN, 0},
    {0xd6, 0xd6, 5, PLAIN, 0},    {0xd7, 0xd7, 9, PLAIN, 0},    {0xd8, 0xd8, 17, PLAIN, 0},
    {0xd9, 0xd9, 1, BYTES, 0},    {0xda, 0xda, 2, BYTES, 0},    {0xdb, 0xdb, 4, BYTES, 0},
    {0xdc, 0xdc, 2, ITEMS, 0},    {0xdd, 0xdd, 4, ITEMS, 0},    {0xde, 0xde, 2, PAIRS, 0},
    {0xdf, 0xdf, 4, PAIRS, 0},    {0xe0, 0xff, 0, PLAIN, 0},
};

static const struct head *head_of(unsigned char first)
{
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (first >= heads[i].first && first <= heads[i].last) {
            return &heads[i];
        }
    }
    return NULL;
}

static uint64_t count_of(const struct head *head, struct str bytes)
{
    uint64_t count = 0;

    if (head->size == 0) {
        return (uint64_t)((unsigned char)bytes.at[0] - head->count);
    }
    for (size_t i = 1; i <= head->size; i++) {
        count = count << 8 | (unsigned char)bytes.at[i];
    }
    return count;
}

/* Takes the value's head off `rest`, with the bytes that belong to it; `*inside`: how many
 * values follow that are its. NULL: it is none. */
static const struct head *take_value(struct str *rest, uint64_t *inside)
{
    const struct head *head = rest->len > 0 ? head_of((unsigned char)rest->at[0]) : NULL;
    uint64_t count;

    *inside = 0;
    if (head == NULL || rest->len - 1 < head->size) {
        return NULL;
    }
    count = head->kind == PLAIN ? 0 : count_of(head, *rest);
    *rest = str_skip(*rest, (size_t)1 + head->size);
    if (head->kind >= ITEMS) {
        *inside = head->kind == PAIRS ? 2 * count : count;
        return *inside <= rest->len ? head : NULL; /* each takes a byte at least */
    }
    count += head->kind == EXTRA;
    if (count > rest->len) {
        return NULL;
    }
    *rest = str_skip(*rest, (size_t)count);
    return head;
}

enum err msgpack_check(struct str bytes, const char **why)
{
    uint64_t due[MSGPACK_DEPTH_MAX + 1] = {1}; /* values that are still to come, by depth */
    size_t depth = 0;

    for (;;) {
        const struct head *head;
        uint64_t inside;

        while (due[depth] == 0 && depth > 0) {
            depth--;
        }
        if (due[depth] == 0) {
            *why = "something stands behind the value";
            return bytes.len == 0 ? ERR_OK : ERR_INVALID;
        }
        head = take_value(&bytes, &inside);
        if (head == NULL) {
            *why = "it is not MessagePack, or cut off";
            return ERR_INVALID;
        }
        due[depth]--;
        if (head->kind >= ITEMS && depth == MSGPACK_DEPTH_MAX) {
            *why = "nested too deeply";
            return ERR_INVALID;
        }
        if (head->kind >= ITEMS) {
            due[++depth] = inside;
        }
    }
}

/* ---- telling ---- */

static enum err add_text(struct buf *to, struct str text, const char **why)
{
    if (!codec_is_utf8(text)) {
        *why = "a text is not UTF-8";
        return ERR_INVALID;
    }
    json_add_text(to, text);
    return ERR_OK;
}

static enum err add_timestamp(struct buf *to, const msgpack_object *value, const char **why)
{
    /* The first and the last that years of four digits can say. */
    static const int64_t seconds_min = -62167219200, seconds_max = 253402300799;
    char text[ISO8601_TEXT_MAX];
    msgpack_timestamp time;

    if (!msgpack_object_to_timestamp(value, &time)) {
        *why = "an extension that JSON has no word for";
        return ERR_INVALID;
    }
    if (time.tv_sec > seconds_max || time.tv_sec < seconds_min) {
        buf_add_text(to, "null");
        return ERR_OK;
    }
    iso8601_format(time.tv_sec * 1000 + time.tv_nsec / 1000000, text);
    json_add_text(to, str_of(text));
    return ERR_OK;
}

static enum err add_plain(struct buf *to, const msgpack_object *value, const char **why)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        buf_add_text(to, "null");
        return ERR_OK;
    case MSGPACK_OBJECT_BOOLEAN:
        buf_add_text(to, value->via.boolean ? "true" : "false");
        return ERR_OK;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        buf_add_u64(to, value->via.u64);
        return ERR_OK;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        buf_add_i64(to, value->via.i64);
        return ERR_OK;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        if (isfinite(value->via.f64)) {
            json_add_number(to, value->via.f64);
        } else {
            buf_add_text(to, "null");
        }
        return ERR_OK;
    case MSGPACK_OBJECT_STR:
        return add_text(to, str_from(value->via.str.ptr, value->via.str.size), why);
    case MSGPACK_OBJECT_EXT:
        return add_timestamp(to, value, why);
    default:
        *why = "binary data, which can't be kept";
        return ERR_INVALID;
    }
}

/* Names are texts; a language whose arrays have numbers for names says integers. */
static enum err add_name(struct buf *to, const msgpack_object *name, const char **why)
{
    enum err err;

    if (name->type == MSGPACK_OBJECT_STR) {
        err = add_plain(to, name, why);
    } else if (name->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
               name->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        buf_add_char(to, '"');
        err = add_plain(to, name, why);
        buf_add_char(to, '"');
    } else {
        *why = "a name in a map is neither text nor integer";
        return ERR_INVALID;
    }
    buf_add_char(to, ':');
    return err;
}

/* An array or map that is being told. */
struct place {
    const msgpack_object *object;
    uint32_t next;
};

static bool is_container(const msgpack_object *value)
{
    return value->type == MSGPACK_OBJECT_ARRAY || value->type == MSGPACK_OBJECT_MAP;
}

static uint32_t size_of(const msgpack_object *container)
{
    return container->type == MSGPACK_OBJECT_MAP ? container->via.map.size
                                                 : container->via.array.size;
}

/* The next value of the container, its comma and its name told. */
static enum err take_next(struct buf *to, struct place *place, const msgpack_object **value,
                          const char **why)
{
    uint32_t at = place->next++;

    if (at > 0) {
        buf_add_char(to, ',');
    }
    if (place->object->type == MSGPACK_OBJECT_ARRAY) {
        *value = &place->object->via.array.ptr[at];
        return ERR_OK;
    }
    *value = &place->object->via.map.ptr[at].val;
    return add_name(to, &place->object->via.map.ptr[at].key, why);
}

enum err msgpack_add_json(struct buf *to, const msgpack_object *value, const char **why)
{
    struct place open[MSGPACK_DEPTH_MAX] = {{NULL, 0}};
    size_t depth = 0;
    enum err err = ERR_OK;

    for (;;) {
        if (!is_container(value)) {
            err = add_plain(to, value, why);
        } else if (depth == MSGPACK_DEPTH_MAX) {
            *why = "nested too deeply";
            err = ERR_INVALID;
        } else {
            buf_add_char(to, value->type == MSGPACK_OBJECT_ARRAY ? '[' : '{');
            open[depth++] = (struct place){value, 0};
        }
        while (depth > 0 && open[depth - 1].next == size_of(open[depth - 1].object)) {
            depth--;
            buf_add_char(to, open[depth].object->type == MSGPACK_OBJECT_ARRAY ? ']' : '}');
        }
        if (err != ERR_OK || depth == 0) {
            return err;
        }
        err = take_next(to, &open[depth - 1], &value, why);
        if (err != ERR_OK) {
            return err;
        }
    }
}
