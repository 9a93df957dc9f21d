/* What an adapter publishes: refused with a reason, or understood as an event that is JSON and
 * as rooms that are names of users. */
#include "test/fuzz/fuzz.h"

#include "common/ident.h"
#include "common/json.h"
#include "gateway/adapter/emission.h"

enum {
    LONGEST = 256
};

static void must_be_told(struct emission *emission)
{
    struct str rest = buf_str(&emission->rooms), room;
    struct buf json = {0};
    const char *why = NULL;

    while (emission_next_room(&rest, &room)) {
        MUST(ident_is_user(room) && !emission->everybody);
    }
    MUST(rest.len == 0);
    MUST(emission->event.len >= 2 && emission->event.len <= LONGEST);
    buf_add_char(&json, '[');
    buf_add(&json, buf_str(&emission->event));
    buf_add_char(&json, ']');
    MUST(json_check_grammar(buf_str(&json), &why) == ERR_OK);
    buf_finish(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_from((const char *)data, size);
    enum emission_verb verb = EMISSION_NOTHING;
    struct emission emission = {0};
    const char *why = NULL;

    if (emission_read(&emission, bytes, LONGEST, &verb, &why) != ERR_OK) {
        MUST(why != NULL);
    } else if (verb != EMISSION_NOTHING) {
        MUST(verb == EMISSION_EVENT);
        must_be_told(&emission);
    }
    why = NULL;
    if (emission_read_request(&emission, bytes, &verb, &why) != ERR_OK) {
        MUST(why != NULL);
    } else if (verb != EMISSION_NOTHING) {
        MUST(verb == EMISSION_DISCONNECT && !emission.everybody && emission.event.len == 0);
    }
    emission_finish(&emission);
    return 0;
}
