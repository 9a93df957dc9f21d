/* A rate that holds over all processes: the share of it that one process has. */
#include "gateway/limits/bucket.h"

enum {
    TOKEN = 1000,       /* of `free` */
    FREE_PART = 16,     /* of the rate needs no question */
    CHUNKS_PER_S = 4,   /* questions of a process that sees all of a user */
    BURST_S = 2,        /* a second's rate, and one more */
    WAIT_LEAST_MS = 20, /* between two questions of one that refuses ... */
    WAIT_MOST_MS = 1000
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct bucket_rule bucket_rule_of(uint64_t rate)
{
    struct bucket_rule rule = {.rate = (int64_t)rate,
                               .burst = (int64_t)rate * BURST_S,
                               .chunk = most(1, (int64_t)rate / CHUNKS_PER_S)};

    return rule;
}

void bucket_init(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms)
{
    *bucket = (struct bucket){.free = rule->chunk * TOKEN, .counted_ms = now_ms};
}

static void fill_free(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms)
{
    int64_t room = rule->chunk * TOKEN - bucket->free;
    int64_t passed = (int64_t)(now_ms - bucket->counted_ms);
    int64_t filled = passed * rule->rate / FREE_PART;

    if (filled > 0) { /* else the time that passed still counts the next time */
        bucket->free += least(room, filled);
        bucket->counted_ms = now_ms;
    }
}

/* While the answer is on its way, what comes is let through on credit; but who owes already
 * pays first, or every process would give credit without end. */
static bool has_credit(const struct bucket *bucket, const struct bucket_rule *rule)
{
    return !bucket->owing && bucket->share > -rule->burst;
}

enum bucket_outcome bucket_spend(struct bucket *bucket, const struct bucket_rule *rule,
                                 uint64_t now_ms)
{
    bool may_ask = now_ms >= bucket->full_ms;

    fill_free(bucket, rule, now_ms);
    if (bucket->free >= TOKEN) {
        bucket->free -= TOKEN;
        return BUCKET_GO;
    }
    if (bucket->asked > 0) {
        bool may = has_credit(bucket, rule);

        bucket->share -= may;
        return may ? BUCKET_GO : BUCKET_FULL;
    }
    if (bucket->share <= 0 && !may_ask) {
        return BUCKET_FULL;
    }
    bucket->owing = bucket->share < 0 && bucket->scarce;
    if (bucket->owing) {
        return BUCKET_FULL_ASK;
    }
    bucket->share--;
    return bucket->share < rule->chunk / 2 && may_ask ? BUCKET_GO_ASK : BUCKET_GO;
}

bool bucket_is_empty(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms)
{
    fill_free(bucket, rule, now_ms);
    if (bucket->free >= TOKEN) {
        return false;
    }
    return bucket->asked > 0 ? !has_credit(bucket, rule)
                             : bucket->share <= 0 && now_ms < bucket->full_ms;
}

int64_t bucket_ask(struct bucket *bucket, const struct bucket_rule *rule)
{
    bucket->asked = rule->chunk - least(bucket->share, 0);
    return bucket->asked;
}

void bucket_answered(struct bucket *bucket, const struct bucket_rule *rule, int64_t granted,
                     int64_t wait_ms, uint64_t now_ms)
{
    granted = least(most(granted, 0), bucket->asked);
    bucket->share = least(bucket->share + granted, rule->burst);
    bucket->scarce = granted < bucket->asked;
    if (bucket->scarce) {
        bucket->full_ms = now_ms + (uint64_t)least(most(wait_ms, WAIT_LEAST_MS), WAIT_MOST_MS);
    }
    bucket->asked = 0;
}

void bucket_unanswered(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms)
{
    int64_t passed = least((int64_t)(now_ms - bucket->alone_ms), BURST_S * 1000);
    int64_t granted = least(passed * rule->rate / 1000, bucket->asked);

    if (granted > 0) {
        bucket->alone_ms = now_ms;
    }
    bucket_answered(bucket, rule, granted, 1000 / rule->rate + 1, now_ms);
}
