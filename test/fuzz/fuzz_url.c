/* The --redis URL: refused with a sentence of ours, or parts that make the same URL again. It
 * comes from a flag or the environment, so it ends at the first NUL. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/codec.h"
#include "gateway/store/url.h"

enum {
    ESCAPED_MAX = 500 /* longer than that, user or password may be refused */
};

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && str_equal(str_of(a), str_of(b));
}

/* The parts put together again, everything escaped. False: escapes make it too long. */
static bool write_url(const struct url *url, struct buf *to)
{
    static const char *const schemes[] = {"redis", "sentinel", "cluster"};

    if (url->addresses[0].port == 0) {
        buf_addf(to, "unix://%s", url->addresses[0].host);
        return true;
    }
    buf_addf(to, "%s%s://", schemes[url->kind], url->tls ? "s" : "");
    if (url->password) {
        codec_percent(str_of(url->user), to);
        buf_add_char(to, ':');
        codec_percent(str_of(url->password), to);
        buf_add_char(to, '@');
    }
    if (to->len > ESCAPED_MAX) {
        return false;
    }
    for (size_t i = 0; i < url->count; i++) {
        const char *host = url->addresses[i].host;

        buf_addf(to, strchr(host, ':') || host[0] == '[' ? "%s[%s]" : "%s%s", i > 0 ? "," : "",
                 host);
        buf_addf(to, ":%u", url->addresses[i].port);
    }
    if (url->kind != URL_CLUSTER) {
        buf_addf(to, "%s%s/%u", url->master ? "/" : "", url->master ? url->master : "",
                 url->database);
    }
    return true;
}

static void must_make_the_same(const struct url *url)
{
    struct buf text = {0};
    struct url again;
    const char *why = NULL;

    if (!write_url(url, &text)) {
        buf_finish(&text);
        return;
    }
    MUST(url_parse(buf_str(&text), &again, &why) == ERR_OK);
    MUST(url->kind == again.kind && url->tls == again.tls && url->count == again.count);
    for (size_t i = 0; i < url->count; i++) {
        MUST(server_equal(&url->addresses[i], &again.addresses[i]));
    }
    MUST(same_text(url->user, again.user) && same_text(url->password, again.password));
    MUST(same_text(url->master, again.master) && url->database == again.database);
    url_finish(&again);
    buf_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url url;
    const char *why = NULL;
    struct buf text = {0};

    size = size > 0 ? strnlen((const char *)data, size) : 0;
    if (url_parse(str_from((const char *)data, size), &url, &why) != ERR_OK) {
        MUST(why && why[0] != '\0');
        MUST(!url.addresses && !url.user && !url.password && !url.master);
        return 0;
    }
    MUST(url.count > 0 && url.count <= URL_ADDRESSES_MAX);
    MUST(!url.user || url.password);
    MUST((url.kind == URL_SENTINEL) == (url.master != NULL));
    for (size_t i = 0; i < url.count; i++) {
        MUST(url.addresses[i].host[0] != '\0');
        server_print(&url.addresses[i], &text);
    }
    must_make_the_same(&url);
    url_finish(&url);
    buf_finish(&text);
    return 0;
}
