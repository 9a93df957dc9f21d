/* Socket.IO packets: what passes is what its parts say, keeps the rules when cJSON reads it,
 * and, written again, is the same packet. */
#include "test/fuzz/fuzz.h"

#include "common/codec.h"
#include "common/json.h"
#include "common/json_text.h"
#include "gateway/proto/sio_packet.h"

static bool is_named(const struct sio_packet *packet)
{
    return packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT;
}

static bool is_binary(const struct sio_packet *packet)
{
    return packet->type == SIO_BINARY_EVENT || packet->type == SIO_BINARY_ACK;
}

/* Which placeholders a cJSON tree has, by a search of its own; false when one is bad. Calls
 * itself at most JSON_DEPTH_MAX deep. */
static bool find_placeholders(const cJSON *item, unsigned attachments, uint64_t *seen)
{
    const cJSON *in;
    const cJSON *num = NULL;
    bool placeholder = false;

    for (in = item->child; in; in = in->next) {
        if (!find_placeholders(in, attachments, seen)) {
            return false;
        }
        if (cJSON_IsObject(item) && str_equal(str_of(in->string), STR("_placeholder"))) {
            placeholder = placeholder || cJSON_IsTrue(in);
        }
        if (cJSON_IsObject(item) && str_equal(str_of(in->string), STR("num"))) {
            num = in;
        }
    }
    if (!placeholder) {
        return true;
    }
    if (!num || !cJSON_IsNumber(num) || num->valuedouble < 0 ||
        num->valuedouble >= attachments || num->valuedouble != (unsigned)num->valuedouble) {
        return false;
    }
    *seen |= UINT64_C(1) << (unsigned)num->valuedouble;
    return true;
}

static void must_have_its_attachments(const struct sio_packet *packet, const cJSON *json)
{
    uint64_t seen = 0;

    MUST(packet->attachments <= SIO_ATTACHMENTS_MAX);
    MUST(is_binary(packet) == (packet->attachments > 0));
    if (!is_binary(packet)) {
        return;
    }
    MUST(find_placeholders(json, packet->attachments, &seen));
    for (unsigned i = 0; i < SIO_ATTACHMENTS_MAX; i++) {
        MUST((seen >> i & 1) == (i < packet->attachments));
    }
}

static void must_be_the_same(struct str text, const cJSON *expected)
{
    const char *why = NULL;
    cJSON *item = json_parse(text, &why);
    struct buf a = {0};
    struct buf b = {0};

    MUST(item);
    json_add_item(&a, item);
    json_add_item(&b, expected);
    MUST(str_equal(buf_str(&a), buf_str(&b)));
    buf_finish(&a);
    buf_finish(&b);
    cJSON_Delete(item);
}

/* The items that are iterated are those that cJSON has. */
static void must_have_its_arguments(const struct sio_packet *packet, const cJSON *json)
{
    const cJSON *expected = json->child;
    struct str rest = packet->args;
    struct str item;

    MUST(cJSON_IsArray(json));
    if (is_named(packet)) {
        MUST(cJSON_IsNumber(expected) ||
             (str_equal(packet->name, str_of(expected->valuestring)) &&
              !sio_is_reserved(packet->name)));
        expected = expected->next;
    }
    for (; json_next_item(&rest, &item); expected = expected->next) {
        MUST(expected);
        must_be_the_same(item, expected);
    }
    MUST(!expected && rest.len == 0);
}

static void must_keep_the_rules(const struct sio_packet *packet)
{
    const char *why = NULL;
    cJSON *json;

    MUST(packet->space.len >= 1 && packet->space.at[0] == '/');
    MUST(packet->space.len <= SIO_SPACE_MAX && codec_is_utf8(packet->space));
    MUST(packet->type != SIO_CONNECT_ERROR);
    MUST(packet->has_id || packet->id == 0);
    MUST(packet->id < UINT64_C(1) << 53);
    if (packet->data.len == 0) {
        MUST(packet->type == SIO_CONNECT || packet->type == SIO_DISCONNECT);
        return;
    }
    MUST(packet->type != SIO_DISCONNECT);
    json = json_parse(packet->data, &why);
    if (json == NULL) { /* grammar is enough for what is only passed on */
        MUST(json_check_grammar(packet->data, &why) == ERR_OK);
        return;
    }
    must_have_its_attachments(packet, json);
    if (packet->type == SIO_CONNECT) {
        MUST(cJSON_IsObject(json) && packet->args.len == 0);
    } else {
        must_have_its_arguments(packet, json);
    }
    cJSON_Delete(json);
}

static void must_survive(const struct sio_packet *packet)
{
    struct buf text = {0};
    struct buf compact = {0};
    struct buf scratch = {0};
    struct sio_packet again;
    const char *why = NULL;

    sio_add_head(&text, packet->type, packet->attachments, packet->space, packet->has_id,
                 packet->id);
    json_add_compact(&text, packet->data);
    MUST(sio_packet_parse(buf_str(&text), &scratch, &again, &why) == ERR_OK);
    MUST(again.type == packet->type && again.attachments == packet->attachments);
    MUST(again.has_id == packet->has_id && again.id == packet->id);
    MUST(str_equal(again.space, packet->space) && str_equal(again.name, packet->name));
    json_add_compact(&compact, packet->args);
    MUST(str_equal(again.args, buf_str(&compact)));
    buf_clear(&compact);
    json_add_compact(&compact, packet->data);
    MUST(str_equal(again.data, buf_str(&compact)));
    buf_finish(&scratch);
    buf_finish(&compact);
    buf_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why = NULL;

    if (sio_packet_parse(str_from((const char *)data, size), &scratch, &packet, &why) ==
        ERR_OK) {
        MUST(!why);
        must_keep_the_rules(&packet);
        must_survive(&packet);
    } else {
        MUST(why);
    }
    buf_finish(&scratch);
    return 0;
}
