/* What a session holds of the limits over all processes. */
#include "gateway/session_place.h"

#include "common/mem.h"

static struct limits *limits_of(const struct session *session)
{
    return session->services->limits;
}

static struct place *create(const struct session *session, enum limits_kind kind,
                            struct str name)
{
    struct place *place = mem_zero(sizeof(*place));

    place->subject = limits_visit(limits_of(session), kind, name);
    return place;
}

static void destroy(struct place *place)
{
    limits_leave(place->subject);
    mem_free(place);
}

static void add(struct session *session, struct place *place)
{
    place->next = session->places;
    session->places = place;
}

/* Whether there is nothing to do: no limit, nobody, or one that it has. */
static bool is_settled(const struct session *session, enum limits_kind kind, struct str name)
{
    struct limits_subject *subject;
    const struct place *place = session->places;

    if (!limits_any(limits_of(session), kind) || name.len == 0) {
        return true;
    }
    subject = limits_visit(limits_of(session), kind, name);
    while (place != NULL && place->subject != subject) {
        place = place->next;
    }
    limits_leave(subject);
    return place != NULL;
}

static void on_taken(void *owner, enum err err)
{
    struct place_wait *wait = owner;
    struct place *place = wait->place;

    wait->place = NULL;
    if (err == ERR_OK) {
        place->taken = !place->poll;
        add(wait->session, place);
    } else {
        destroy(place);
    }
    wait->done(wait->owner, err);
}

enum limits_answer session_take_place(struct session *session, enum limits_kind kind,
                                      struct str name, struct place_wait *wait, limits_fn *done,
                                      void *owner)
{
    struct place *place;
    enum limits_answer answer;

    if (is_settled(session, kind, name)) {
        return LIMITS_YES;
    }
    place = create(session, kind, name);
    *wait =
        (struct place_wait){.session = session, .place = place, .done = done, .owner = owner};
    if (!limits_places(limits_of(session), kind)) {
        answer = LIMITS_YES; /* only the rate counts */
    } else if (session->brief) {
        place->poll = true;
        limits_take_poll(place->subject, session_id(session), &wait->wait, on_taken, wait);
        return LIMITS_LATER;
    } else {
        answer = limits_take(place->subject, &wait->wait, on_taken, wait);
        place->taken = answer == LIMITS_YES;
    }
    if (answer == LIMITS_LATER) {
        return answer;
    }
    wait->place = NULL;
    if (answer == LIMITS_YES) {
        add(session, place);
    } else {
        destroy(place);
    }
    return answer;
}

void session_cancel_place(struct place_wait *wait)
{
    if (wait->place != NULL) {
        limits_cancel(&wait->wait);
        destroy(wait->place);
        wait->place = NULL;
    }
}

void session_keep_place(struct session *session, enum limits_kind kind, struct str name)
{
    struct place *place;

    if (is_settled(session, kind, name)) {
        return;
    }
    place = create(session, kind, name);
    add(session, place);
    if (!limits_places(limits_of(session), kind)) {
        return;
    }
    place->poll = session->brief;
    place->taken = !session->brief;
    if (place->taken) {
        limits_keep(place->subject);
        limits_give_poll(place->subject, session_id(session));
    } else if (!session->deaf) { /* who fetches is alive */
        limits_keep_poll(place->subject, session_id(session));
    }
}

void session_add_place(struct session *session, struct limits_subject *subject, bool taken)
{
    struct place *place = mem_zero(sizeof(*place));

    place->subject = subject;
    place->taken = taken;
    add(session, place);
}

void session_give_places(struct session *session, bool over)
{
    while (session->places != NULL) {
        struct place *place = session->places;

        session->places = place->next;
        if (place->taken) {
            limits_give(place->subject);
        } else if (place->poll && over) {
            limits_give_poll(place->subject, session_id(session));
        }
        destroy(place);
    }
}

bool session_pay(const struct session *session)
{
    for (const struct place *place = session->places; place != NULL; place = place->next) {
        if (limits_kind_of(place->subject) == LIMITS_USER && !limits_spend(place->subject)) {
            return false;
        }
    }
    return true;
}
