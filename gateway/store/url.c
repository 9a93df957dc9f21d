/* Where Redis is: the --redis URL taken apart. */
#include "gateway/store/url.h"

#include <string.h>
#include <sys/un.h>

#include "common/codec.h"
#include "common/mem.h"

enum {
    PORT_REDIS = 6379,
    PORT_SENTINEL = 26379,
    DATABASE_MAX = 65535,
    MASTER_MAX = 253,
    CREDENTIAL_MAX = 512
};

static const char credentials_wrong[] = "user or password are not properly percent-encoded";

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
static enum err parse_credentials(struct str text, char **user_to, char **password_to)
{
    struct str user, password;

    if (!str_cut(text, ':', &user, &password)) {
        return copy_decoded(text, password_to);
    }
    if (user.len > 0 && copy_decoded(user, user_to) != ERR_OK) {
        return ERR_INVALID;
    }
    return copy_decoded(password, password_to);
}

/* host, host:port, [v6], [v6]:port */
static const char *parse_address(struct str text, unsigned port_default, struct server *address)
{
    struct str host = text, port = {NULL, 0};
    unsigned long long number = port_default;

    if (str_starts(text, STR("["))) {
        if (!str_cut(str_skip(text, 1), ']', &host, &port) ||
            (port.len > 0 && port.at[0] != ':')) {
            return "the address after [ is not complete";
        }
        port = str_skip(port, 1);
    } else {
        str_cut(text, ':', &host, &port);
    }
    if (!server_set(address, host, 0)) {
        return "the host is missing or too long";
    }
    if (port.len > 0 && (!str_to_u64(port, UINT16_MAX, &number) || number == 0)) {
        return "the port must be 1 to 65535";
    }
    address->port = (uint16_t)number;
    return NULL;
}

/* One, or several parted by commas. */
static const char *parse_addresses(struct str text, struct url *url)
{
    unsigned port = url->kind == URL_SENTINEL ? PORT_SENTINEL : PORT_REDIS;
    struct str rest = text, one;
    const char *why = NULL;
    bool more = true;

    if (url->kind == URL_SINGLE && text.len > 0 && memchr(text.at, ',', text.len) != NULL) {
        return "several hosts go with sentinel:// or cluster://";
    }
    url->addresses = mem_zero(URL_ADDRESSES_MAX * sizeof(url->addresses[0]));
    while (why == NULL && more) {
        if (url->count == URL_ADDRESSES_MAX) {
            return "more than 64 hosts";
        }
        more = str_cut(rest, ',', &one, &rest);
        why = parse_address(one, port, &url->addresses[url->count++]);
    }
    return why;
}

static const char *parse_database(struct str text, struct url *url)
{
    unsigned long long number = 0;

    if (text.len > 0 && !str_to_u64(text, DATABASE_MAX, &number)) {
        return "the database after / must be a number";
    }
    url->database = (unsigned)number;
    return NULL;
}

/* What stands behind the hosts: /db, /master[/db][?auth=...] or nothing. */
static const char *parse_behind(struct str text, struct url *url)
{
    struct str master, database, query;

    if (url->kind == URL_SINGLE) {
        return parse_database(text, url);
    }
    if (url->kind == URL_CLUSTER) {
        return text.len > 0 ? "a cluster has no databases: nothing goes behind the hosts"
                            : NULL;
    }
    if (str_cut(text, '?', &text, &query)) {
        if (!str_starts(query, STR("auth="))) {
            return "behind ? goes auth=[user]:password, for the sentinels";
        }
        if (parse_credentials(str_skip(query, 5), &url->sentinel_user,
                              &url->sentinel_password) != ERR_OK) {
            return credentials_wrong;
        }
    }
    str_cut(text, '/', &master, &database);
    if (master.len == 0 || master.len > MASTER_MAX ||
        memchr(master.at, '\0', master.len) != NULL) {
        return "behind the sentinels goes /NAME of the master";
    }
    url->master = mem_copy(master.at, master.len);
    return parse_database(database, url);
}

static const char *parse_network(struct str rest, struct url *url)
{
    struct str hosts, behind;
    const char *why, *at;

    str_cut(rest, '/', &hosts, &behind);
    at = hosts.len > 0 ? memrchr(hosts.at, '@', hosts.len) : NULL;
    if (at != NULL) {
        if (parse_credentials(str_from(hosts.at, (size_t)(at - hosts.at)), &url->user,
                              &url->password) != ERR_OK) {
            return credentials_wrong;
        }
        hosts = str_skip(hosts, (size_t)(at - hosts.at) + 1);
    }
    why = parse_behind(behind, url);
    return why != NULL ? why : parse_addresses(hosts, url);
}

static const char *parse_unix(struct str rest, struct url *url)
{
    struct sockaddr_un room;

    if (rest.len < 2 || rest.at[0] != '/' || rest.len >= sizeof(room.sun_path)) {
        return "unix:// needs an absolute path of at most 107 bytes";
    }
    url->addresses = mem_zero(sizeof(url->addresses[0]));
    url->count = server_set(url->addresses, rest, 0);
    return NULL;
}

enum err url_parse(struct str text, struct url *url, const char **why)
{
    static const struct {
        struct str scheme;
        const char *(*parse)(struct str rest, struct url *url);
        enum url_kind kind;
        bool tls;
    } schemes[] = {
        {{"redis://", 8}, parse_network, URL_SINGLE, false},
        {{"rediss://", 9}, parse_network, URL_SINGLE, true},
        {{"unix://", 7}, parse_unix, URL_SINGLE, false},
        {{"sentinel://", 11}, parse_network, URL_SENTINEL, false},
        {{"sentinels://", 12}, parse_network, URL_SENTINEL, true},
        {{"cluster://", 10}, parse_network, URL_CLUSTER, false},
        {{"clusters://", 11}, parse_network, URL_CLUSTER, true},
    };

    memset(url, 0, sizeof(*url));
    *why = "it must begin with redis://, rediss://, unix://, sentinel://, sentinels://, "
           "cluster:// or clusters://";
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (str_starts(text, schemes[i].scheme)) {
            url->kind = schemes[i].kind;
            url->tls = schemes[i].tls;
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
    mem_free(url->addresses);
    mem_free(url->master);
    mem_free(url->user);
    mem_free(url->password);
    mem_free(url->sentinel_user);
    mem_free(url->sentinel_password);
    memset(url, 0, sizeof(*url));
}
