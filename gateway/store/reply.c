/* A script's answer: typed look-ups that survive any shape. */
#include "gateway/store/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

static const struct redisReply *element(const struct redisReply *reply, size_t index)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || index >= reply->elements) {
        return NULL;
    }
    return reply->element[index];
}

static struct str text_of(const struct redisReply *reply)
{
    if (reply != NULL &&
        (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)) {
        return str_from(reply->str, (size_t)reply->len);
    }
    return str_from(NULL, 0);
}

enum outcome reply_outcome(const struct redisReply *reply)
{
    const struct redisReply *head = element(reply, 0);
    struct str word = text_of(head != NULL ? head : reply);

    for (int i = 0; i < OUTCOME_COUNT; i++) {
        if (str_equal(word, str_of(outcome_word((enum outcome)i)))) {
            return (enum outcome)i;
        }
    }
    return OUTCOME_REFUSED;
}

struct str reply_str(const struct redisReply *reply, size_t index)
{
    return text_of(element(reply, index));
}

int64_t reply_int(const struct redisReply *reply, size_t index)
{
    const struct redisReply *item = element(reply, index);

    if (item == NULL) {
        return 0;
    }
    if (item->type == REDIS_REPLY_INTEGER) {
        return item->integer;
    }
    return item->type == REDIS_REPLY_STRING ? strtoll(item->str, NULL, 10) : 0;
}
