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
    if (url->path) {
        buf_addf(to, "unix://%s", url->path);
        return true;
    }
    buf_add_text(to, "redis://");
    if (url->password) {
        codec_percent(str_of(url->user), to);
        buf_add_char(to, ':');
        codec_percent(str_of(url->password), to);
        buf_add_char(to, '@');
    }
    if (to->len > ESCAPED_MAX) {
        return false;
    }
    buf_addf(to, strchr(url->host, ':') || url->host[0] == '[' ? "[%s]" : "%s", url->host);
    buf_addf(to, ":%u/%u", url->port, url->database);
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
    MUST(same_text(url->host, again.host) && same_text(url->path, again.path));
    MUST(same_text(url->user, again.user) && same_text(url->password, again.password));
    MUST(url->port == again.port && url->database == again.database);
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
        MUST(!url.host && !url.path && !url.user && !url.password);
        return 0;
    }
    MUST((url.host == NULL) != (url.path == NULL));
    MUST(url.path || url.port != 0);
    MUST(!url.user || url.password);
    url_print(&url, &text);
    MUST(text.len > 0);
    must_make_the_same(&url);
    url_finish(&url);
    buf_finish(&text);
    return 0;
}
