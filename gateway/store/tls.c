/* TLS to Redis: one context for all connections, a session for each. */
#include "gateway/store/tls.h"

#include <stdio.h>

#include "common/mem.h"

#ifdef SEGUE_REDIS_TLS

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
    PIECE_MAX = 16384 /* of a TLS record */
};

struct tls {
    SSL_CTX *context; /* owned */
};

struct tls_seal {
    SSL *session; /* owned, with both of: */
    BIO *in, *out;
};

/* What was wrong with the last certificate that was turned down: OpenSSL's error only says that
 * something was. */
static int complaint = X509_V_OK;

static int on_certificate(int fine, X509_STORE_CTX *chain)
{
    if (!fine) {
        complaint = X509_STORE_CTX_get_error(chain);
    }
    return fine;
}

const char *tls_why(void)
{
    static char text[TLS_WHY_MAX];
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    bool refused = ERR_GET_LIB(code) == ERR_LIB_SSL &&
                   ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;

    ERR_clear_error();
    if (reason == NULL) {
        return NULL;
    }
    snprintf(text, sizeof(text), "TLS: %s%s%s", reason, refused ? ": " : "",
             refused ? X509_verify_cert_error_string(complaint) : "");
    return text;
}

static bool load(SSL_CTX *context, const struct tls_files *files, const char **what)
{
    *what = files->ca;
    if (files->ca != NULL ? SSL_CTX_load_verify_locations(context, files->ca, NULL) != 1
                          : SSL_CTX_set_default_verify_paths(context) != 1) {
        return false;
    }
    *what = files->certificate;
    if (files->certificate != NULL &&
        SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1) {
        return false;
    }
    *what = files->key;
    return files->key == NULL ||
           SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) == 1;
}

struct tls *tls_create(const struct tls_files *files, char why[TLS_WHY_MAX])
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const char *what = NULL;
    struct tls *tls;

    if (context == NULL || !load(context, files, &what)) {
        const char *reason = tls_why();

        snprintf(why, TLS_WHY_MAX, "%s: %s", what != NULL ? what : "certificates",
                 reason != NULL ? reason : "it can't be used");
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_certificate);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls = mem_zero(sizeof(*tls));
    tls->context = context;
    return tls;
}

void tls_destroy(struct tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->context);
        mem_free(tls);
    }
}

static bool is_address(const char *name)
{
    struct in6_addr room;

    return inet_pton(AF_INET, name, &room) == 1 || inet_pton(AF_INET6, name, &room) == 1;
}

/* Who answers must be who was called. */
static SSL *start(struct tls *tls, const char *name)
{
    SSL *session = SSL_new(tls->context);
    bool bound;

    if (session == NULL) {
        return NULL;
    }
    if (is_address(name)) {
        bound = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1;
    } else {
        bound =
            SSL_set1_host(session, name) == 1 && SSL_set_tlsext_host_name(session, name) == 1;
    }
    if (!bound) {
        SSL_free(session);
        return NULL;
    }
    SSL_set_connect_state(session);
    return session;
}

bool tls_join(struct tls *tls, struct redisContext *redis, const char *name)
{
    SSL *session = start(tls, name);
    bool joined = session != NULL && redisInitiateSSL(redis, session) == REDIS_OK;

    if (!joined) {
        SSL_free(session); /* hiredis owns it only when it could begin */
        ERR_clear_error();
    }
    return joined;
}

struct tls_seal *tls_seal_create(struct tls *tls, const char *name)
{
    struct tls_seal *seal = mem_zero(sizeof(*seal));

    seal->session = start(tls, name);
    seal->in = BIO_new(BIO_s_mem());
    seal->out = BIO_new(BIO_s_mem());
    if (seal->session == NULL || seal->in == NULL || seal->out == NULL) {
        BIO_free(seal->in);
        BIO_free(seal->out);
        SSL_free(seal->session);
        mem_free(seal);
        return NULL;
    }
    SSL_set_bio(seal->session, seal->in, seal->out);
    return seal;
}

void tls_seal_destroy(struct tls_seal *seal)
{
    if (seal != NULL) {
        SSL_free(seal->session);
        mem_free(seal);
    }
}

/* More is needed first, or it is broken. */
static bool can_wait(const struct tls_seal *seal, int result)
{
    int error = SSL_get_error(seal->session, result);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

bool tls_open(struct tls_seal *seal, struct str sealed, struct buf *plain)
{
    int count;

    if (BIO_write(seal->in, sealed.at, (int)sealed.len) != (int)sealed.len) {
        return false;
    }
    while ((count = SSL_read(seal->session, buf_reserve(plain, PIECE_MAX), PIECE_MAX)) > 0) {
        plain->len += (size_t)count;
    }
    return can_wait(seal, count);
}

bool tls_close(struct tls_seal *seal, struct buf *plain, struct buf *sealed)
{
    int count = 1;
    long waiting;

    if (!SSL_is_init_finished(seal->session)) {
        count = SSL_do_handshake(seal->session);
    }
    while (count > 0 && plain->len > 0 && SSL_is_init_finished(seal->session)) {
        count = SSL_write(seal->session, plain->at,
                          (int)(plain->len < PIECE_MAX ? plain->len : PIECE_MAX));
        buf_drop(plain, count > 0 ? (size_t)count : 0);
    }
    if (count <= 0 && !can_wait(seal, count)) {
        return false;
    }
    waiting = BIO_pending(seal->out);
    if (waiting > 0) {
        count = BIO_read(seal->out, buf_reserve(sealed, (size_t)waiting), (int)waiting);
        sealed->len += count > 0 ? (size_t)count : 0;
    }
    return true;
}

#else

struct tls *tls_create(const struct tls_files *files, char why[TLS_WHY_MAX])
{
    (void)files;
    snprintf(
        why, TLS_WHY_MAX,
        "this build has no TLS for Redis: it needs hiredis 1.0 or newer with its SSL part");
    return NULL;
}

/* Nothing of what follows is reached without a struct tls. */

void tls_destroy(struct tls *tls)
{
    (void)tls;
}

bool tls_join(struct tls *tls, struct redisContext *redis, const char *name)
{
    (void)tls;
    (void)redis;
    (void)name;
    return false;
}

struct tls_seal *tls_seal_create(struct tls *tls, const char *name)
{
    (void)tls;
    (void)name;
    return NULL;
}

void tls_seal_destroy(struct tls_seal *seal)
{
    (void)seal;
}

bool tls_open(struct tls_seal *seal, struct str sealed, struct buf *plain)
{
    (void)seal;
    (void)sealed;
    (void)plain;
    return false;
}

bool tls_close(struct tls_seal *seal, struct buf *plain, struct buf *sealed)
{
    (void)seal;
    (void)plain;
    (void)sealed;
    return false;
}

const char *tls_why(void)
{
    return NULL;
}

#endif
