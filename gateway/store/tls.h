/* TLS to Redis: one context for all connections, a session for each. Private to store/.
 *
 * hiredis brings its own TLS for commands (from version 1 on, when it was built with it); the
 * subscriber's stream is libuv's, so what goes through it is sealed here, in memory. A build
 * without hiredis's part has none: tls_create says so. */
#ifndef SEGUE_STORE_TLS_H
#define SEGUE_STORE_TLS_H

#include <stdbool.h>

#include "common/buf.h"

struct tls;
struct tls_seal;
struct redisContext;

/* Files that may be NULL: who is believed (else whom the system believes), and who we are. */
struct tls_files {
    const char *ca;
    const char *certificate, *key;
};

enum {
    TLS_WHY_MAX = 256
};

/* NULL: `why` says so. */
struct tls *tls_create(const struct tls_files *files, char why[TLS_WHY_MAX]);
void tls_destroy(struct tls *tls); /* harmless for NULL */

/* A connection of hiredis that was just begun; `name` (or address) is what the certificate must
 * be for. */
bool tls_join(struct tls *tls, struct redisContext *redis, const char *name);

/* The same for bytes that somebody else carries. NULL: out of memory. */
struct tls_seal *tls_seal_create(struct tls *tls, const char *name);
void tls_seal_destroy(struct tls_seal *seal);
/* What came from the network is opened and appended to `plain`; false: the connection is no
 * good. */
bool tls_open(struct tls_seal *seal, struct str sealed, struct buf *plain);
/* What is to be sent, `plain`, is sealed and taken away as soon as that is possible; what is
 * for the network is appended to `sealed`. */
bool tls_close(struct tls_seal *seal, struct buf *plain, struct buf *sealed);
/* Why the last one failed; NULL = TLS does not know. */
const char *tls_why(void);

#endif
