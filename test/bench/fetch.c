/* Long polling: what is asked, and what the answers hold. */
#include "test/bench/fetch.h"

#include <stdlib.h>
#include <string.h>

enum {
    SEPARATOR = 0x1e,
    LENGTH_MAX = 1 << 20
};

enum frame_read fetch_read(struct str bytes, struct str *body, size_t *size)
{
    static const char length_name[] = "\r\nContent-Length: ";
    const char *end = memmem(bytes.at, bytes.len, "\r\n\r\n", 4);
    const char *length;
    size_t head, count;

    if (end == NULL) {
        return FRAME_MORE;
    }
    head = (size_t)(end - bytes.at) + 4;
    length = memmem(bytes.at, head, length_name, sizeof(length_name) - 1);
    if (!str_starts(bytes, STR("HTTP/1.1 200 ")) || length == NULL) {
        return FRAME_BAD;
    }
    count = strtoul(length + sizeof(length_name) - 1, NULL, 10); /* ends at the head's end */
    if (count > LENGTH_MAX) {
        return FRAME_BAD;
    }
    if (bytes.len - head < count) {
        return FRAME_MORE;
    }
    *body = str_from(bytes.at + head, count);
    *size = head + count;
    return FRAME_DONE;
}

bool fetch_next(struct str *body, struct str *packet)
{
    const char *end;

    if (body->len == 0) {
        return false;
    }
    end = memchr(body->at, SEPARATOR, body->len);
    *packet = str_from(body->at, end != NULL ? (size_t)(end - body->at) : body->len);
    *body = str_skip(*body, packet->len + (end != NULL ? 1 : 0));
    return true;
}

bool fetch_open(struct str packet, char sid[FETCH_SID_MAX])
{
    static const struct str start = {"0{\"sid\":\"", 9};
    const char *at = packet.at + start.len, *end;

    if (!str_starts(packet, start)) {
        return false;
    }
    end = memchr(at, '"', packet.len - start.len);
    if (end == NULL || end - at >= FETCH_SID_MAX) {
        return false;
    }
    memcpy(sid, at, (size_t)(end - at));
    sid[end - at] = '\0';
    return true;
}

void fetch_request(const char *path, const char *sid, struct str packets, struct buf *to)
{
    buf_addf(to, "%s %s", packets.len > 0 ? "POST" : "GET", path);
    if (sid[0] != '\0') {
        buf_addf(to, "&sid=%s", sid);
    }
    buf_add_text(to, " HTTP/1.1\r\nHost: localhost\r\n");
    if (packets.len > 0) {
        buf_addf(to, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n",
                 packets.len);
    }
    buf_add_text(to, "\r\n");
    buf_add(to, packets);
}
