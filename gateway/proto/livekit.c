/* Access tokens for a LiveKit server.
 *
 * A JWT in the name of an API key (`iss`), whose `video` says what the participant (`sub`) may
 * do: enter one room. That room and its right to speak and listen there are LiveKit's; it knows
 * nothing of our members. */
#include "gateway/proto/livekit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/codec.h"
#include "common/json.h"

static void write_claims(struct buf *to, struct str key, const struct livekit_grant *grant)
{
    buf_add_text(to, "{\"iss\":");
    json_add_text(to, key);
    buf_add_text(to, ",\"sub\":");
    json_add_text(to, grant->identity);
    buf_add_text(to, ",\"jti\":");
    json_add_text(to, grant->identity);
    if (grant->name.len > 0) {
        buf_add_text(to, ",\"name\":");
        json_add_text(to, grant->name);
    }
    buf_addf(to, ",\"nbf\":%lld,\"exp\":%lld", (long long)grant->now_s,
             (long long)grant->now_s + LIVEKIT_TOKEN_S);
    buf_add_text(to, ",\"video\":{\"roomJoin\":true,\"room\":");
    json_add_text(to, grant->room);
    buf_add_text(to, "}}");
}

void livekit_write_token(struct buf *to, struct str key, struct str secret,
                         const struct livekit_grant *grant)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    size_t start = to->len;
    struct buf claims = {0};

    write_claims(&claims, key, grant);
    codec_base64url(STR("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), to);
    buf_add_char(to, '.');
    codec_base64url(buf_str(&claims), to);
    HMAC(EVP_sha256(), secret.at, (int)secret.len, (const unsigned char *)to->at + start,
         to->len - start, digest, &length);
    buf_add_char(to, '.');
    codec_base64url(str_from((const char *)digest, length), to);
    buf_finish(&claims);
}
