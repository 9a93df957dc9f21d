/* What a Socket.IO server's Redis adapter, or a backend's emitter, publishes: read.
 *
 * Rooms and those excepted are gathered as texts first, from whichever of the two languages;
 * what is no name of a user is nobody's room. The library's objects live in a zone that is gone
 * when reading is over: nothing of them is kept. */
#include "gateway/adapter/emission.h"

#include "common/ident.h"
#include "common/json.h"
#include "common/pack.h"
#include "gateway/adapter/msgpack_text.h"
#include "gateway/proto/sio_packet.h"

enum {
    PACKET_EVENT = 2,
    REQUEST_DISCONNECT = 4,
    PARTS = 3 /* uid, packet, options */
};

static const char *const malformed = "it is not what an adapter publishes";
static const char *const too_many = "more rooms than can be told at once";

void emission_finish(struct emission *emission)
{
    buf_finish(&emission->rooms);
    buf_finish(&emission->event);
}

static void clear(struct emission *emission)
{
    emission->everybody = false;
    buf_clear(&emission->rooms);
    buf_clear(&emission->event);
}

bool emission_next_room(struct str *rest, struct str *room)
{
    return pack_take_str(rest, room) == ERR_OK;
}

/* ---- rooms ---- */

/* Lists of names as they were found, packed. */
struct names {
    struct buf rooms, excepted;
    size_t room_count, excepted_count;
};

static void names_finish(struct names *names)
{
    buf_finish(&names->rooms);
    buf_finish(&names->excepted);
}

static bool is_among(struct str list, struct str wanted)
{
    struct str name;

    while (emission_next_room(&list, &name)) {
        if (str_equal(name, wanted)) {
            return true;
        }
    }
    return false;
}

/* Whom it is for. */
static enum err choose_rooms(struct emission *emission, const struct names *names,
                             const char **why)
{
    struct str rest = buf_str(&names->rooms), room;

    emission->everybody = names->room_count == 0;
    if (emission->everybody && names->excepted_count > 0) {
        *why = "everybody but some can't be told";
        return ERR_INVALID;
    }
    while (emission_next_room(&rest, &room)) {
        if (ident_is_user(room) && !is_among(buf_str(&names->excepted), room)) {
            pack_add_str(&emission->rooms, room);
        }
    }
    return ERR_OK;
}

/* ---- MessagePack ---- */

/* The member of a map; NULL when it is not there. */
static const msgpack_object *member(const msgpack_object *map, struct str wanted)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;

        if (key->type == MSGPACK_OBJECT_STR &&
            str_equal(str_from(key->via.str.ptr, key->via.str.size), wanted)) {
            return &map->via.map.ptr[i].val;
        }
    }
    return NULL;
}

static bool is_text(const msgpack_object *value, struct str wanted)
{
    return value->type == MSGPACK_OBJECT_STR &&
           str_equal(str_from(value->via.str.ptr, value->via.str.size), wanted);
}

/* A room is a text; a backend may have said a number. */
static bool add_name(struct buf *to, const msgpack_object *name)
{
    struct buf digits = {0};

    if (name->type == MSGPACK_OBJECT_STR) {
        pack_add_str(to, str_from(name->via.str.ptr, name->via.str.size));
        return true;
    }
    if (name->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        buf_add_u64(&digits, name->via.u64);
    } else if (name->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        buf_add_i64(&digits, name->via.i64);
    } else {
        return false;
    }
    pack_add_str(to, buf_str(&digits));
    buf_finish(&digits);
    return true;
}

static enum err add_names(struct buf *to, size_t *count, const msgpack_object *list,
                          const char **why)
{
    *why = malformed;
    if (list == NULL || list->type == MSGPACK_OBJECT_NIL) {
        return ERR_OK;
    }
    if (list->type != MSGPACK_OBJECT_ARRAY) {
        return ERR_INVALID;
    }
    if (list->via.array.size > EMISSION_ROOMS_MAX) {
        *why = too_many;
        return ERR_INVALID;
    }
    *count = list->via.array.size;
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        if (!add_name(to, &list->via.array.ptr[i])) {
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

static enum err read_rooms(struct emission *emission, const msgpack_object *options,
                           const char **why)
{
    struct names names = {0};
    enum err err = ERR_INVALID;

    *why = malformed;
    if (options->type == MSGPACK_OBJECT_MAP) {
        err = add_names(&names.rooms, &names.room_count, member(options, STR("rooms")), why);
    }
    if (err == ERR_OK) {
        err = add_names(&names.excepted, &names.excepted_count, member(options, STR("except")),
                        why);
    }
    if (err == ERR_OK) {
        err = choose_rooms(emission, &names, why);
    }
    names_finish(&names);
    return err;
}

static enum err read_event(struct emission *emission, const msgpack_object *data,
                           size_t longest, const char **why)
{
    const msgpack_object *name;

    *why = malformed;
    if (data == NULL || data->type != MSGPACK_OBJECT_ARRAY || data->via.array.size == 0) {
        return ERR_INVALID;
    }
    name = data->via.array.ptr;
    if (name->type != MSGPACK_OBJECT_STR) {
        *why = "the event's name is no text";
        return ERR_INVALID;
    }
    if (sio_is_reserved(str_from(name->via.str.ptr, name->via.str.size))) {
        *why = "the event's name is reserved by Socket.IO";
        return ERR_INVALID;
    }
    for (uint32_t i = 0; i < data->via.array.size; i++) {
        if (i > 0) {
            buf_add_char(&emission->event, ',');
        }
        if (msgpack_add_json(&emission->event, &data->via.array.ptr[i], why) != ERR_OK) {
            return ERR_INVALID;
        }
    }
    *why = "the event is longer than --max-message";
    return emission->event.len <= longest ? ERR_OK : ERR_INVALID;
}

static enum err read_publication(struct emission *emission, const msgpack_object *publication,
                                 size_t longest, enum emission_verb *verb, const char **why)
{
    const msgpack_object *packet, *type, *space;
    enum err err;

    *why = malformed;
    *verb = EMISSION_NOTHING;
    if (publication->type != MSGPACK_OBJECT_ARRAY || publication->via.array.size < PARTS ||
        publication->via.array.ptr[1].type != MSGPACK_OBJECT_MAP) {
        return ERR_INVALID;
    }
    packet = &publication->via.array.ptr[1];
    space = member(packet, STR("nsp"));
    if (space != NULL && space->type != MSGPACK_OBJECT_NIL && !is_text(space, STR("/"))) {
        return ERR_OK;
    }
    type = member(packet, STR("type"));
    if (type == NULL || type->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        type->via.u64 != PACKET_EVENT) {
        *why = "only events without binary data are understood";
        return ERR_INVALID;
    }
    err = read_rooms(emission, &publication->via.array.ptr[2], why);
    if (err == ERR_OK) {
        err = read_event(emission, member(packet, STR("data")), longest, why);
        *verb = EMISSION_EVENT;
    }
    return err;
}

enum err emission_read(struct emission *emission, struct str bytes, size_t longest,
                       enum emission_verb *verb, const char **why)
{
    msgpack_unpacked unpacked;
    size_t at = 0;
    enum err err = msgpack_check(bytes, why);

    clear(emission);
    if (err != ERR_OK) {
        return err;
    }
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, bytes.at, bytes.len, &at) == MSGPACK_UNPACK_SUCCESS) {
        err = read_publication(emission, &unpacked.data, longest, verb, why);
    } else {
        *why = malformed;
        err = ERR_INVALID;
    }
    msgpack_unpacked_destroy(&unpacked);
    return err;
}

/* ---- requests: JSON ---- */

static enum err add_json_names(struct buf *to, size_t *count, const cJSON *options,
                               const char *name, const char **why)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(options, name), *item;

    *why = malformed;
    if (list == NULL) {
        return ERR_OK;
    }
    if (!cJSON_IsArray(list)) {
        return ERR_INVALID;
    }
    cJSON_ArrayForEach(item, list)
    {
        struct buf digits = {0};

        if (!cJSON_IsString(item) && !cJSON_IsNumber(item)) {
            return ERR_INVALID;
        }
        if (++*count > EMISSION_ROOMS_MAX) {
            *why = too_many;
            return ERR_INVALID;
        }
        if (cJSON_IsNumber(item)) {
            json_add_number(&digits, item->valuedouble);
        }
        pack_add_str(to, cJSON_IsNumber(item) ? buf_str(&digits) : str_of(item->valuestring));
        buf_finish(&digits);
    }
    return ERR_OK;
}

static enum err read_disconnect(struct emission *emission, const cJSON *options,
                                const char **why)
{
    struct names names = {0};
    enum err err = add_json_names(&names.rooms, &names.room_count, options, "rooms", why);

    if (err == ERR_OK) {
        err = add_json_names(&names.excepted, &names.excepted_count, options, "except", why);
    }
    if (err == ERR_OK) {
        err = choose_rooms(emission, &names, why);
    }
    if (err == ERR_OK && emission->everybody) {
        *why = "everybody can't be disconnected";
        err = ERR_INVALID;
    }
    names_finish(&names);
    return err;
}

enum err emission_read_request(struct emission *emission, struct str text,
                               enum emission_verb *verb, const char **why)
{
    const cJSON *type;
    enum err err = ERR_OK;
    cJSON *request;

    clear(emission);
    *verb = EMISSION_NOTHING;
    if (!str_starts(text, STR("{"))) {
        return ERR_OK; /* a broadcast that wants acknowledgements, in MessagePack */
    }
    request = json_parse(text, why);
    if (request == NULL) {
        return ERR_INVALID;
    }
    type = cJSON_GetObjectItemCaseSensitive(request, "type");
    if (cJSON_IsNumber(type) && type->valuedouble == REQUEST_DISCONNECT) {
        *verb = EMISSION_DISCONNECT;
        err = read_disconnect(emission, cJSON_GetObjectItemCaseSensitive(request, "opts"), why);
    }
    cJSON_Delete(request);
    return err;
}
