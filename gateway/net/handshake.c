/* The opening handshake of WebSocket (RFC 6455, 4.2), as far as one request tells. */
#include "gateway/net/handshake.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#include "common/codec.h"

enum {
    KEY_BYTES = 16
};

bool handshake_wanted(const struct request *request)
{
    return !request->http_1_0 && request_header_has(request, STR("Upgrade"), STR("websocket"));
}

static bool key_is_good(struct str key)
{
    struct buf bytes = {0};
    bool good = codec_unbase64(key, &bytes) == ERR_OK && bytes.len == KEY_BYTES;

    buf_finish(&bytes);
    return good;
}

enum err handshake_check(const struct request *request, const char **why)
{
    *why = NULL;
    if (!str_equal(request_header(request, STR("Sec-WebSocket-Version")), STR("13"))) {
        return ERR_UPGRADE;
    }
    if (!request_header_has(request, STR("Connection"), STR("upgrade"))) {
        *why = "Connection: Upgrade is missing";
        return ERR_BAD_REQUEST;
    }
    if (!key_is_good(request_header(request, STR("Sec-WebSocket-Key")))) {
        *why = "Sec-WebSocket-Key must be 16 bytes in base64";
        return ERR_BAD_REQUEST;
    }
    return ERR_OK;
}

void handshake_accept(const struct request *request, char to[HANDSHAKE_ACCEPT_LENGTH + 1])
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct buf text = {0};

    buf_add(&text, request_header(request, STR("Sec-WebSocket-Key")));
    buf_add_text(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    SHA1((const unsigned char *)text.at, text.len, digest);
    buf_clear(&text);
    codec_base64(str_from((const char *)digest, sizeof(digest)), &text);
    assert(text.len == HANDSHAKE_ACCEPT_LENGTH);
    memcpy(to, buf_text(&text), HANDSHAKE_ACCEPT_LENGTH + 1);
    buf_finish(&text);
}

void handshake_answer(const char *accept, bool bearer, struct buf *to)
{
    buf_addf(to,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s\r\n",
             accept, bearer ? "Sec-WebSocket-Protocol: bearer\r\n" : "");
}
