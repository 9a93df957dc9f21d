/* The schema: puts key names together. */
#include "gateway/store/keys.h"

#include <assert.h>
#include <string.h>

#include "common/codec.h"

static struct str prefix;

static const struct str texts[KEY_COUNT] = {
#define X(name, text, what) {text, sizeof(text) - 1},
    KEYS_TABLE(X)
#undef X
};

void keys_setup(const char *text)
{
    prefix = str_of(text);
    assert(prefix.len <= KEYS_PREFIX_MAX);
}

void keys_tag(struct str name, struct buf *to)
{
    codec_percent(name, to);
}

static char *append(char *at, struct str bytes)
{
    memcpy(at, bytes.at, bytes.len);
    return at + bytes.len;
}

struct str keys_name(struct key_name *name, enum key key, struct str tag)
{
    char *end = name->at;

    assert(tag.len <= KEYS_TAG_MAX);
    end = append(end, prefix);
    end = append(end, texts[key]);
    end = append(end, STR("{"));
    end = append(end, tag);
    end = append(end, STR("}"));
    return str_from(name->at, (size_t)(end - name->at));
}

struct str keys_part(struct key_name *name, enum key key, struct str tag, struct str part)
{
    struct str whole = keys_name(name, key, tag);
    char *end = name->at + whole.len;

    assert(part.len < KEYS_PART_MAX);
    end = append(end, STR(":"));
    end = append(end, part);
    return str_from(name->at, (size_t)(end - name->at));
}
