/* Socket.IO v5 packets: the text behind Engine.IO's "4" to packets and back.
 *
 * A packet is read from left to right by stages, each of which takes its part off the text or
 * has a complaint. Stricter than the official parser in what no client writes: signs and
 * fractions in counts, ids where none belong, placeholders that leave an attachment out. */
#include "gateway/proto/sio_packet.h"

#include <string.h>

#include "common/codec.h"
#include "common/json.h"
#include "common/json_text.h"

static const uint64_t id_max = 9007199254740991; /* 2^53 - 1: what a client's number holds */

enum need {
    NO,
    MAYBE,
    YES
};

/* What may stand in the packets that a client sends. */
static const struct rule {
    bool taken; /* from clients at all */
    bool binary;
    enum need id;
    enum need data;
    char opens; /* the data */
    bool named; /* the data's first item is the event's name */
} rules[] = {
    [SIO_CONNECT] = {.taken = true, .data = MAYBE, .opens = '{'},
    [SIO_DISCONNECT] = {.taken = true},
    [SIO_EVENT] = {.taken = true, .id = MAYBE, .data = YES, .opens = '[', .named = true},
    [SIO_ACK] = {.taken = true, .id = YES, .data = YES, .opens = '['},
    [SIO_CONNECT_ERROR] = {.taken = false},
    [SIO_BINARY_EVENT] =
        {.taken = true, .binary = true, .id = MAYBE, .data = YES, .opens = '[', .named = true},
    [SIO_BINARY_ACK] = {.taken = true, .binary = true, .id = YES, .data = YES, .opens = '['},
};

/* ---- placeholders ---- */

enum key {
    KEY_OTHER,
    KEY_PLACEHOLDER,
    KEY_NUM
};

/* An array or object that is open while the JSON is swept. */
struct level {
    bool object;
    bool at_name;     /* the next string is a member's name */
    enum key key;     /* of the member whose value is next */
    bool placeholder; /* a "_placeholder":true was seen */
    unsigned nums;    /* how many "num" were seen */
    bool num_good;
    unsigned long long num;
};

_Static_assert(SIO_ATTACHMENTS_MAX == 64, "sweep.seen has a bit for each");

struct sweep {
    unsigned attachments;
    uint64_t seen; /* a bit for each number that a placeholder has */
    unsigned depth;
    struct level levels[JSON_DEPTH_MAX + 1]; /* the first is around all */
};

static enum key key_of(struct str name)
{
    return json_string_is(name, STR("_placeholder")) ? KEY_PLACEHOLDER
           : json_string_is(name, STR("num"))        ? KEY_NUM
                                                     : KEY_OTHER;
}

/* A value, or the bracket that opens one. */
static void sweep_value(struct level *level, struct str token)
{
    if (level->key == KEY_PLACEHOLDER && str_equal(token, STR("true"))) {
        level->placeholder = true;
    }
    if (level->key == KEY_NUM) {
        level->nums++;
        level->num_good = str_to_u64(token, SIO_ATTACHMENTS_MAX, &level->num);
    }
}

static bool sweep_close(struct sweep *sweep)
{
    const struct level *level = &sweep->levels[sweep->depth--];

    if (!level->placeholder) {
        return true;
    }
    if (level->nums != 1 || !level->num_good || level->num >= sweep->attachments) {
        return false;
    }
    sweep->seen |= UINT64_C(1) << level->num;
    return true;
}

/* False: there is a placeholder for no attachment. */
static bool sweep_token(struct sweep *sweep, struct str token)
{
    struct level *level = &sweep->levels[sweep->depth];

    switch (token.at[0]) {
    case '{':
    case '[':
        sweep_value(level, token);
        sweep->levels[++sweep->depth] =
            (struct level){.object = token.at[0] == '{', .at_name = token.at[0] == '{'};
        return true;
    case '}':
    case ']':
        return sweep_close(sweep);
    case ',':
        level->at_name = level->object;
        return true;
    case ':':
        level->at_name = false;
        return true;
    default:
        if (level->at_name) {
            level->key = key_of(token);
        } else {
            sweep_value(level, token);
        }
        return true;
    }
}

/* Whether each attachment has its place, and each place its attachment. */
static bool placeholders_fit(struct str json, unsigned attachments)
{
    struct sweep sweep = {.attachments = attachments};
    struct str token;

    while (json_next_token(&json, &token)) {
        if (!sweep_token(&sweep, token)) {
            return false;
        }
    }
    return sweep.seen == UINT64_MAX >> (SIO_ATTACHMENTS_MAX - attachments);
}

/* ---- stages: each returns its complaint, or NULL ---- */

static const char *take_type(struct str *text, struct sio_packet *packet)
{
    unsigned type = text->len > 0 ? (unsigned)(unsigned char)text->at[0] - '0' : UINT32_MAX;

    if (type >= sizeof(rules) / sizeof(rules[0]) || !rules[type].taken) {
        return "unknown packet type";
    }
    packet->type = (enum sio_type)type;
    *text = str_skip(*text, 1);
    return NULL;
}

/* Takes the digits that the text begins with. */
static struct str take_digits(struct str *text)
{
    struct str digits = str_from(text->at, 0);

    while (digits.len < text->len && text->at[digits.len] >= '0' &&
           text->at[digits.len] <= '9') {
        digits.len++;
    }
    *text = str_skip(*text, digits.len);
    return digits;
}

static const char *take_attachments(struct str *text, struct sio_packet *packet)
{
    unsigned long long count;
    struct str digits;

    if (!rules[packet->type].binary) {
        return NULL;
    }
    digits = take_digits(text);
    if (!str_starts(*text, STR("-")) || digits.len == 0) {
        return "number of attachments expected";
    }
    if (!str_to_u64(digits, SIO_ATTACHMENTS_MAX, &count)) {
        return "too many attachments";
    }
    if (count == 0) {
        return "binary packet without attachments";
    }
    packet->attachments = (unsigned)count;
    *text = str_skip(*text, 1);
    return NULL;
}

/* What is echoed to the client must not break its framing. */
static bool is_clean(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return codec_is_utf8(text);
}

static const char *take_space(struct str *text, struct sio_packet *packet)
{
    struct str space, query;

    packet->space = STR("/");
    if (!str_starts(*text, STR("/"))) {
        return NULL;
    }
    str_cut(*text, ',', &space, text);
    str_cut(space, '?', &packet->space, &query);
    if (packet->space.len > SIO_SPACE_MAX) {
        return "namespace too long";
    }
    return is_clean(packet->space) ? NULL : "bad namespace";
}

static const char *take_id(struct str *text, struct sio_packet *packet)
{
    enum need need = rules[packet->type].id;
    struct str digits = take_digits(text);
    unsigned long long id = 0;

    packet->has_id = digits.len > 0;
    if (packet->has_id && need == NO) {
        return "id where none belongs";
    }
    if (!packet->has_id) {
        return need == YES ? "id expected" : NULL;
    }
    if (!str_to_u64(digits, id_max, &id)) {
        return "id out of range";
    }
    packet->id = id;
    return NULL;
}

static const char *take_data(struct str *text, struct sio_packet *packet)
{
    const struct rule *rule = &rules[packet->type];
    const char *why = NULL;

    packet->data = json_trim(*text);
    if (text->len == 0) {
        return rule->data == YES ? "data expected" : NULL;
    }
    if (rule->data == NO) {
        return "data where none belongs";
    }
    if (json_check_grammar(*text, &why) != ERR_OK) {
        return why;
    }
    if (packet->data.at[0] != rule->opens) {
        return rule->opens == '{' ? "data must be an object" : "data must be an array";
    }
    if (rule->binary && !placeholders_fit(packet->data, packet->attachments)) {
        return "bad placeholder";
    }
    return NULL;
}

static const char *take_name(struct str item, struct buf *scratch, struct sio_packet *packet)
{
    if (item.at[0] == '-' || (item.at[0] >= '0' && item.at[0] <= '9')) {
        packet->name = item;
        return NULL;
    }
    if (item.at[0] != '"') {
        return "event name must be a string or a number";
    }
    packet->name = str_from(item.at + 1, item.len - 2);
    if (memchr(item.at, '\\', item.len)) {
        buf_clear(scratch);
        json_unescape(item, scratch);
        packet->name = buf_str(scratch);
    }
    return sio_is_reserved(packet->name) ? "reserved event name" : NULL;
}

static const char *take_args(struct buf *scratch, struct sio_packet *packet)
{
    struct str item;

    if (rules[packet->type].opens != '[') {
        return NULL;
    }
    packet->args = json_inside(packet->data);
    if (!rules[packet->type].named) {
        return NULL;
    }
    return json_next_item(&packet->args, &item) ? take_name(item, scratch, packet)
                                                : "event name expected";
}

enum err sio_packet_parse(struct str text, struct buf *scratch, struct sio_packet *packet,
                          const char **why)
{
    static const char *(*const stages[])(struct str *, struct sio_packet *) = {
        take_type, take_attachments, take_space, take_id, take_data};

    *packet = (struct sio_packet){0};
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        *why = stages[i](&text, packet);
        if (*why) {
            return ERR_INVALID;
        }
    }
    *why = take_args(scratch, packet);
    return *why ? ERR_INVALID : ERR_OK;
}

bool sio_is_reserved(struct str name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (str_equal(name, str_of(reserved[i]))) {
            return true;
        }
    }
    return false;
}

void sio_add_head(struct buf *to, enum sio_type type, unsigned attachments, struct str space,
                  bool has_id, uint64_t id)
{
    buf_add_char(to, (char)('0' + type));
    if (rules[type].binary) {
        buf_add_u64(to, attachments);
        buf_add_char(to, '-');
    }
    if (!str_equal(space, STR("/"))) {
        buf_add(to, space);
        buf_add_char(to, ',');
    }
    if (has_id) {
        buf_add_u64(to, id);
    }
}
