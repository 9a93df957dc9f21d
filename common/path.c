/* Paths and the patterns they fit. */
#include "common/path.h"

#include <string.h>

bool path_fits(const char *pattern, struct str path, struct str *param)
{
    struct str before, behind;

    *param = str_from("", 0);
    if (!str_cut(str_of(pattern), '*', &before, &behind)) {
        return str_equal(before, path);
    }
    if (path.len <= before.len + behind.len || !str_starts(path, before) ||
        !str_equal(str_skip(path, path.len - behind.len), behind)) {
        return false;
    }
    *param = str_from(path.at + before.len, path.len - before.len - behind.len);
    return memchr(param->at, '/', param->len) == NULL;
}
