/* Where Redis is: the --redis URL taken apart. */
#include "gateway/store/url.h"

#include <string.h>
#include <sys/un.h>

#include "common/codec.h"
#include "common/mem.h"

enum {
    PORT_DEFAULT = 6379,
    DATABASE_MAX = 65535,
    HOST_MAX = 253,
    CREDENTIAL_MAX = 512
};

static enum err copy_decoded(struct str text, char **to)
{
    struct buf buf = {0};
    enum err err = ERR_INVALID;

    if (text.len <= CREDENTIAL_MAX && codec_unpercent(text, false, &buf) == ERR_OK &&
        (buf.len == 0 || memchr(buf.at, '\0', buf.len) == NULL)) {
        *to = mem_copy(buf.at, buf.len);
        err = ERR_OK;
    }
    buf_finish(&buf);
    return err;
}

/* [user]:password, or a lone password. */
static enum err parse_credentials(struct str text, struct url *url)
{
    struct str user, password;

    if (!str_cut(text, ':', &user, &password)) {
        return copy_decoded(text, &url->password);
    }
    if (user.len > 0 && copy_decoded(user, &url->user) != ERR_OK) {
        return ERR_INVALID;
    }
    return copy_decoded(password, &url->password);
}

/* host, host:port, [v6], [v6]:port */
static const char *parse_host(struct str text, struct url *url)
{
    struct str host = text, port = {NULL, 0};
    unsigned long long number = PORT_DEFAULT;

    if (str_starts(text, STR("["))) {
        if (!str_cut(str_skip(text, 1), ']', &host, &port) ||
            (port.len > 0 && port.at[0] != ':')) {
            return "the address after [ is not complete";
        }
        port = str_skip(port, 1);
    } else {
        str_cut(text, ':', &host, &port);
    }
    if (host.len == 0 || host.len > HOST_MAX) {
        return "the host is missing or too long";
    }
    if (port.len > 0 && (!str_to_u64(port, UINT16_MAX, &number) || number == 0)) {
        return "the port must be 1 to 65535";
    }
    url->host = mem_copy(host.at, host.len);
    url->port = (uint16_t)number;
    return NULL;
}

static const char *parse_network(struct str rest, struct url *url)
{
    struct str address, database;
    unsigned long long number = 0;
    const char *at;

    str_cut(rest, '/', &address, &database);
    if (database.len > 0 && !str_to_u64(database, DATABASE_MAX, &number)) {
        return "the database after / must be a number";
    }
    url->database = (unsigned)number;
    at = address.len > 0 ? memrchr(address.at, '@', address.len) : NULL;
    if (at != NULL) {
        if (parse_credentials(str_from(address.at, (size_t)(at - address.at)), url) != ERR_OK) {
            return "user or password are not properly percent-encoded";
        }
        address = str_skip(address, (size_t)(at - address.at) + 1);
    }
    return parse_host(address, url);
}

static const char *parse_unix(struct str rest, struct url *url)
{
    struct sockaddr_un room;

    if (rest.len < 2 || rest.at[0] != '/' || rest.len >= sizeof(room.sun_path)) {
        return "unix:// needs an absolute path of at most 107 bytes";
    }
    url->path = mem_copy(rest.at, rest.len);
    return NULL;
}

enum err url_parse(struct str text, struct url *url, const char **why)
{
    static const struct {
        struct str scheme;
        const char *(*parse)(struct str rest, struct url *url);
    } schemes[] = {
        {{"redis://", 8}, parse_network},
        {{"unix://", 7}, parse_unix},
    };

    memset(url, 0, sizeof(*url));
    *why = "it must begin with redis:// or unix://";
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (str_starts(text, schemes[i].scheme)) {
            *why = schemes[i].parse(str_skip(text, schemes[i].scheme.len), url);
            break;
        }
    }
    if (*why != NULL) {
        url_finish(url);
        return ERR_INVALID;
    }
    return ERR_OK;
}

void url_finish(struct url *url)
{
    mem_free(url->host);
    mem_free(url->path);
    mem_free(url->user);
    mem_free(url->password);
    memset(url, 0, sizeof(*url));
}

void url_print(const struct url *url, struct buf *to)
{
    if (url->path != NULL) {
        buf_add_text(to, url->path);
        return;
    }
    buf_add_text(to, url->host);
    buf_add_char(to, ':');
    buf_add_u64(to, url->port);
}
