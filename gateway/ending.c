/* The end of a connection or of a polling session, as the log and the metrics tell it.
 *
 * The user stands in the line, for those who must answer "why was I thrown out?"; a token never
 * does, nor anything else that stood in a request. */
#include "gateway/ending.h"

#include "common/log.h"

enum {
    FIELDS_MAX = 12
};

void ending_of_session(struct ending *to, const struct session *session)
{
    if (session == NULL) {
        return;
    }
    to->protocol = session->proto->name;
    to->transport = session->transport->metric;
    to->id = session_id(session);
    to->user =
        session->proto->user != NULL ? session->proto->user(session) : session_user(session);
}

void ending_log(const struct ending *ending)
{
    enum log_level level = ending->reason == REASON_HTTP_DONE ? LOG_DEBUG : LOG_INFO;
    struct log_field fields[FIELDS_MAX];
    unsigned code = reason_code(ending->reason);
    size_t count = 0;

    if (!log_wants(level)) {
        return;
    }
    if (ending->protocol != NULL) {
        fields[count++] = LOG_TEXT("protocol", ending->protocol);
    }
    fields[count++] = LOG_TEXT("transport", metrics_transport_word(ending->transport));
    fields[count++] = LOG_TEXT("reason", reason_word(ending->reason));
    if (code != 0) {
        fields[count++] = LOG_NUMBER("code", code);
    }
    fields[count++] = LOG_NUMBER("age_ms", ending->age_ms);
    fields[count++] = LOG_NUMBER("bytes_in", ending->bytes_in);
    fields[count++] = LOG_NUMBER("bytes_out", ending->bytes_out);
    fields[count++] = LOG_STR("peer", ending->peer);
    if (ending->user.len > 0) {
        fields[count++] = LOG_STR("user", ending->user);
    }
    if (ending->id.len > 0) {
        fields[count++] = LOG_STR("id", ending->id);
    }
    fields[count] = (struct log_field){0};
    log_fields(level, ending->event, fields);
}
