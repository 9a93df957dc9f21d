/* A request that is repeated happens once, when it has an Idempotency-Key.
 *
 * The answer is kept beside what the request changed, by the script that makes the change, so
 * that neither can be without the other, whichever processes get the request, and how often. A
 * key belongs to its path: its name in Redis is a digest of both. Beside the answer stands a
 * digest of the body without its blanks, by which another request with that key is known. */
#include <openssl/sha.h>
#include <string.h>

#include "common/codec.h"
#include "common/json_text.h"
#include "gateway/proto/rest.h"

enum {
    DIGEST_BYTES = 16
};

static void digest(struct str bytes, char to[REST_DIGEST_LENGTH + 1])
{
    unsigned char whole[SHA256_DIGEST_LENGTH];
    struct buf text = {0};

    SHA256((const unsigned char *)bytes.at, bytes.len, whole);
    codec_base64url(str_from((const char *)whole, DIGEST_BYTES), &text);
    memcpy(to, buf_text(&text), REST_DIGEST_LENGTH + 1);
    buf_finish(&text);
}

void rest_once(const struct exchange *exchange, struct str tag, struct rest_once *once)
{
    char part[REST_DIGEST_LENGTH + 1];
    struct buf text = {0};

    if (exchange->asked.key.at == NULL) {
        once->key = keys_name(&once->name, KEY_ONCE, tag);
        once->mark = str_from("", 0);
        return;
    }
    buf_addf(&text, "%s %.*s", exchange->endpoint->path, STR_ARG(exchange->asked.key));
    digest(buf_str(&text), part);
    once->key = keys_part(&once->name, KEY_ONCE, tag, str_of(part));
    buf_clear(&text);
    json_add_compact(&text, exchange->asked.text);
    digest(buf_str(&text), once->digest);
    once->mark = str_from(once->digest, REST_DIGEST_LENGTH);
    buf_finish(&text);
}

bool rest_has_refused(struct exchange *exchange, enum err err, const struct redisReply *reply,
                      const char *away)
{
    if (err != ERR_OK) {
        exchange_refuse(exchange, err, away);
        return true;
    }
    if (reply_outcome(reply) == OUTCOME_REFUSED) {
        exchange_refuse(exchange, ERR_BAD_REQUEST,
                        "Idempotency-Key: was used for another request within five minutes");
        return true;
    }
    return false;
}
