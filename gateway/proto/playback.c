/* Playback: namespace `/` of Socket.IO: the state of a user's player in CarPlay's words,
 * commands, and every event that a backend sends to the user.
 *
 * This file is what a client says and how a socket lives; what it is told is playback_follow's.
 */
#include "gateway/proto/playback.h"

#include <string.h>

#include "common/json_text.h"
#include "common/mem.h"
#include "common/pack.h"
#include "gateway/proto/playback_core.h"
#include "gateway/proto/playback_text.h"

enum {
    PENDING_PAUSE = 64, /* transitions under way for one client: no more are read, until ... */
    PENDING_RESUME = 32
};

static struct store *store_of(const struct playback *playback)
{
    return playback_services(playback)->store;
}

static void set_up(struct playback *playback)
{
    struct buf tag = {0};

    keys_tag(str_from(playback->socket.identity.user, playback->socket.identity.user_len),
             &tag);
    playback->tag_len = (uint16_t)tag.len;
    playback->tag = mem_copy(tag.at, tag.len);
    playback->mine.playback = playback->all.playback = playback;
    buf_finish(&tag);
    playback->phase = PLAYBACK_SUBSCRIBING;
}

/* "MINE.ALL.SEQ"; the later of two places counts. */
static bool take_place(struct playback *playback, struct str text)
{
    struct str mine, all, rest;
    struct cursor of_mine, of_all;
    unsigned long long seq;

    str_cut(text, '.', &mine, &rest);
    str_cut(rest, '.', &all, &rest);
    if (cursor_parse(mine, &of_mine) != ERR_OK || cursor_parse(all, &of_all) != ERR_OK ||
        !str_to_u64(rest, UINT64_MAX / 2, &seq)) {
        return false;
    }
    if (of_mine.at > playback->mine.cursor.at) {
        playback->mine.cursor = of_mine;
    }
    if (of_all.at > playback->all.cursor.at) {
        playback->all.cursor = of_all;
    }
    if (seq > playback->seq) {
        playback->seq = seq;
    }
    return true;
}

static bool is_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return text.len == SIO_ID_LENGTH;
}

/* Nothing is remembered of a client that comes back: who he is says his token, where he was say
 * these two, which are checked for form only. */
static bool take_recovery(struct playback *playback, const cJSON *auth)
{
    const char *pid = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(auth, "pid"));
    const cJSON *offset = cJSON_GetObjectItemCaseSensitive(auth, "offset");
    struct str id, place;

    if (pid == NULL || !str_cut(str_of(pid), '.', &id, &place) || !is_id(id) ||
        !take_place(playback, place)) {
        return false;
    }
    if (offset != NULL && (!cJSON_IsString(offset) ||
                           !take_place(playback, str_of(cJSON_GetStringValue(offset))))) {
        return false;
    }
    mem_free(playback->pid);
    playback->pid = mem_copy(pid, strlen(pid));
    return true;
}

static void playback_connect(struct sio_socket *socket, const cJSON *auth)
{
    struct playback *playback = playback_of(socket);

    set_up(playback);
    playback->since_ms = store_now_us(store_of(playback)) / 1000;
    if (sio_recovery_wanted(socket, auth)) {
        playback->pid = mem_copy("", 0);
        playback->recovering = take_recovery(playback, auth);
    }
    if (!playback->recovering) {
        playback->seq = 0;
    }
    if (socket->session->deaf) {
        playback_find(playback);
    } else {
        playback_listen(playback);
    }
}

/* ---- what the client says ---- */

static struct pending *begin(struct playback *playback, const struct sio_event *event)
{
    struct pending *pending = mem_zero(sizeof(*pending));

    pending->playback = playback;
    pending->wants_ack = event->wants_ack;
    pending->ack = event->ack;
    pending->next = playback->pending;
    if (pending->next != NULL) {
        pending->next->prev = pending;
    }
    playback->pending = pending;
    session_begin(playback->socket.session);
    if (!playback->paused && playback->calls.count >= PENDING_PAUSE) {
        playback->paused = true;
        session_pause(playback->socket.session, true);
    }
    return pending;
}

static void unlink_pending(struct playback *playback, struct pending *pending)
{
    if (pending->prev != NULL) {
        pending->prev->next = pending->next;
    } else {
        playback->pending = pending->next;
    }
    if (pending->next != NULL) {
        pending->next->prev = pending->prev;
    }
}

/* code == NULL: all is well. */
static void answer(struct playback *playback, const struct sio_event *event, const char *code,
                   const char *message)
{
    if (code != NULL) {
        sio_emit_error(&playback->socket, code, message);
    }
    if (playback_is_open(playback)) {
        sio_ack_outcome(&playback->socket, event, code, message);
    }
}

static void refuse(struct playback *playback, const struct sio_event *event, const char *code,
                   const char *message)
{
    playback_services(playback)->metrics->rejected[METRICS_REJECTION_INVALID]++;
    answer(playback, event, code, message);
}

static void on_applied(void *context, enum err err, const struct redisReply *reply)
{
    struct pending *pending = context;
    struct playback *playback = pending->playback;
    struct session *session = playback->socket.session;
    struct sio_event event = {.wants_ack = pending->wants_ack, .ack = pending->ack};

    unlink_pending(playback, pending);
    mem_free(pending);
    if (playback->paused && playback->calls.count <= PENDING_RESUME) {
        playback->paused = false;
        session_pause(session, false);
    }
    if (err != ERR_OK) {
        answer(playback, &event, err_word(ERR_UNAVAILABLE),
               "the state can't be reached: not known to be applied");
    } else if (reply_outcome(reply) == OUTCOME_NO_STATE) {
        refuse(playback, &event, "no_state", "mediaId: is needed: there is no state yet");
    } else {
        answer(playback, &event, NULL, NULL);
    }
    session_settle(session);
}

static void update(struct playback *playback, const struct sio_event *event, const cJSON *json)
{
    struct key_name state, channel;
    struct playback_update wanted;
    char why[JSON_WHY_MAX];

    if (playback_read_state(json, &wanted, why) != ERR_OK) {
        refuse(playback, event, err_word(ERR_INVALID), why);
    } else {
        struct str origin = wanted.parts[PLAYBACK_SOCKET];
        struct pending *pending = begin(playback, event);

        store_call(store_of(playback), SCRIPT_playback_update,
                   STRS(keys_name(&state, KEY_PLAYER, playback_tag(playback)),
                        keys_name(&channel, KEY_USER, playback_tag(playback))),
                   STRS(is_id(origin) ? origin : STR("-"), wanted.parts[PLAYBACK_PLAYING],
                        wanted.parts[PLAYBACK_POSITION], wanted.parts[PLAYBACK_TRACK],
                        wanted.parts[PLAYBACK_DURATION], wanted.parts[PLAYBACK_TITLE],
                        wanted.parts[PLAYBACK_ARTIST], wanted.parts[PLAYBACK_ALBUM],
                        wanted.parts[PLAYBACK_TYPE]),
                   &playback->calls, on_applied, pending);
    }
    playback_finish(&wanted);
}

static void command(struct playback *playback, const struct sio_event *event, const cJSON *json)
{
    struct key_name state, events, channel, devices, once;
    struct playback_command wanted;
    struct buf body = {0};
    char why[JSON_WHY_MAX];

    if (playback_read_command(json, &wanted, why) != ERR_OK) {
        refuse(playback, event, err_word(ERR_INVALID), why);
        return;
    }
    playback_write_command(&body, &wanted);
    store_call(
        store_of(playback), SCRIPT_playback_command,
        STRS(keys_name(&state, KEY_PLAYER, playback_tag(playback)),
             keys_name(&events, KEY_EVENTS, playback_tag(playback)),
             keys_name(&channel, KEY_USER, playback_tag(playback)),
             keys_name(&devices, KEY_DEVICES, playback_tag(playback)),
             keys_name(&once, KEY_ONCE, playback_tag(playback))),
        STRS(wanted.name, wanted.value, buf_str(&body), STR("-"), STR("0"), str_from("", 0)),
        &playback->calls, on_applied, begin(playback, event));
    buf_finish(&body);
}

static void pong(struct playback *playback, const struct sio_event *event, const cJSON *json)
{
    (void)json;
    if (!sio_emit(&playback->socket, STR("\"pong\""))) {
        session_close(playback->socket.session, REASON_SLOW);
    }
    if (playback_is_open(playback)) {
        sio_ack_outcome(&playback->socket, event, NULL, NULL);
    }
}

static const struct {
    struct str name;
    void (*take)(struct playback *playback, const struct sio_event *event, const cJSON *json);
} verbs[] = {
    {{"playback_state_update", 21}, update},
    {{"carplay_command", 15}, command},
    {{"ping", 4}, pong},
};

static void playback_event(struct sio_socket *socket, const struct sio_event *event)
{
    struct playback *playback = playback_of(socket);
    struct str args = event->args, first = {NULL, 0};
    const char *why = NULL;
    cJSON *json = NULL;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!str_equal(verbs[i].name, event->name)) {
            continue;
        }
        if (json_next_item(&args, &first)) {
            json = json_parse(first, &why);
        }
        verbs[i].take(playback, event, json);
        cJSON_Delete(json);
        return;
    }
    refuse(playback, event, "unknown_event", "this namespace knows no event of that name");
}

static void playback_limited(struct sio_socket *socket)
{
    sio_emit_error(socket, err_word(ERR_RATE_LIMITED), "messages come too fast");
}

/* ---- the socket's life ---- */

static void call_device(struct playback *playback, enum script script,
                        enum metrics_transport transport, struct str last)
{
    struct key_name devices;
    struct buf entry = {0};
    char lease[PLAYBACK_NUMBER_TEXT];

    playback_add_entry(&entry, playback, transport);
    store_call(
        store_of(playback), script,
        STRS(keys_name(&devices, KEY_DEVICES, playback_tag(playback))),
        script == SCRIPT_device_renew
            ? STRS(buf_str(&entry), playback_number(lease, playback_lease_ms(playback)), last)
            : STRS(buf_str(&entry), last),
        NULL, NULL, NULL);
    buf_finish(&entry);
}

static void playback_alive(struct sio_socket *socket)
{
    call_device(playback_of(socket), SCRIPT_device_renew, socket->session->transport->metric,
                STR("0"));
}

static void playback_drained(struct sio_socket *socket)
{
    struct playback *playback = playback_of(socket);

    if (playback->phase == PLAYBACK_BEHIND) {
        playback_catch_up(playback);
    }
}

/* A device leaves with its socket, but not with the end of a request. */
static void playback_closed(struct sio_socket *socket)
{
    struct playback *playback = playback_of(socket);
    struct session *session = socket->session;
    char age[PLAYBACK_NUMBER_TEXT];

    playback_unlisten(playback);
    store_forget(&playback->calls);
    while (playback->pending != NULL) {
        struct pending *pending = playback->pending;

        unlink_pending(playback, pending);
        mem_free(pending);
        session_settle(session);
    }
    if ((session->state == SESSION_OPEN || !session->brief) && playback->since_ms != 0 &&
        store_is_up(store_of(playback))) {
        call_device(playback, SCRIPT_device_leave, session->transport->metric,
                    playback_number(age, session->silent_ms));
    }
    mem_free(playback->tag);
    mem_free(playback->pid);
    mem_free(playback->begun);
    playback->tag = playback->pid = playback->begun = NULL;
}

/* ---- recovery and requests ---- */

static void add_place(struct playback *playback, struct buf *to)
{
    cursor_add(to, &playback->mine.cursor);
    buf_add_char(to, '.');
    cursor_add(to, &playback->all.cursor);
    buf_add_char(to, '.');
    buf_add_u64(to, playback->seq);
}

static void playback_offset(struct sio_socket *socket, struct buf *to)
{
    if (playback_of(socket)->pid != NULL) {
        add_place(playback_of(socket), to);
    }
}

static void playback_marks(struct sio_socket *socket, struct buf *to)
{
    add_place(playback_of(socket), to);
}

/* Where it began stays what it was: how far it came since is told by the marks, and those may
 * still be taken back. */
static void playback_save(struct sio_socket *socket, struct buf *to)
{
    struct playback *playback = playback_of(socket);
    struct buf place = {0};

    if (playback->begun != NULL) {
        buf_add_text(&place, playback->begun);
    } else {
        add_place(playback, &place);
    }
    pack_add_u64(to, playback->since_ms);
    pack_add_u64(to, playback->pid != NULL);
    pack_add_str(to, str_of(playback->pid));
    pack_add_str(to, buf_str(&place));
    buf_finish(&place);
}

static bool playback_load(struct sio_socket *socket, struct str saved, struct str marks)
{
    struct playback *playback = playback_of(socket);
    struct str pid, place;
    uint64_t recovers;

    set_up(playback);
    if (pack_take_u64(&saved, &playback->since_ms) != ERR_OK ||
        pack_take_u64(&saved, &recovers) != ERR_OK || pack_take_str(&saved, &pid) != ERR_OK ||
        pack_take_str(&saved, &place) != ERR_OK || pack_end(saved) != ERR_OK) {
        return false;
    }
    playback->pid = recovers != 0 ? mem_copy(pid.at, pid.len) : NULL;
    playback->begun = socket->session->deaf ? mem_copy(place.at, place.len) : NULL;
    playback->known = marks.len > 0;
    if (!take_place(playback, marks.len > 0 ? marks : place)) {
        return false;
    }
    if (socket->session->deaf) {
        playback->phase = PLAYBACK_LIVE;
        playback_alive(socket);
        return true;
    }
    if (!socket->session->brief) { /* a websocket took it over: it is one device, not two */
        call_device(playback, SCRIPT_device_leave, METRICS_TRANSPORT_POLLING, STR("0"));
    }
    playback_listen(playback);
    return true;
}

const struct sio_space playback_space = {
    .name = {"/", 1},
    .proto = "playback",
    .size = sizeof(struct playback),
    .follows_user = true,
    .connect = playback_connect,
    .event = playback_event,
    .limited = playback_limited,
    .alive = playback_alive,
    .drained = playback_drained,
    .closed = playback_closed,
    .offset = playback_offset,
    .save = playback_save,
    .marks = playback_marks,
    .load = playback_load,
};
