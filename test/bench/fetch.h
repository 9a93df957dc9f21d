/* Engine.IO's long polling as a client speaks it, over one connection that is never idle: a GET
 * hangs until there is something, a POST answers it. Pure. */
#ifndef SEGUE_BENCH_FETCH_H
#define SEGUE_BENCH_FETCH_H

#include "common/buf.h"
#include "test/bench/frame.h"

enum {
    FETCH_SID_MAX = 64
};

/* Reads the HTTP answer at the front of `bytes`, and how many bytes it takes; FRAME_BAD: not a
 * 200 with a length. */
enum frame_read fetch_read(struct str bytes, struct str *body, size_t *size);
/* Cuts the next packet off a body; false: there is none left. */
bool fetch_next(struct str *body, struct str *packet);
/* The session's id in the packet that opens it; false: not such a packet. */
bool fetch_open(struct str packet, char sid[FETCH_SID_MAX]);
/* A GET, or with packets a POST; an empty `sid` asks for a session. */
void fetch_request(const char *path, const char *sid, struct str packets, struct buf *to);

#endif
