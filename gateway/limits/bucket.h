/* A rate that holds over all processes, with few questions to Redis: the share of it that one
 * process has. Pure.
 *
 *     what comes --free: a sixteenth of the rate needs no question
 *                --share: tokens fetched from the cluster's bucket, a quarter second's worth at
 *                  once; while a question is under way, on credit
 *                --else refused, until Redis said that there may be tokens again
 *
 * So a process that sees little of a user asks nothing, a busy one asks a few times a second,
 * and one that refuses asks as rarely. All processes together let through at most the rate, a
 * sixteenth of it more for each process, and a burst of twice the rate; of what comes within
 * one round trip to Redis, each process as much again on credit, which it pays back first. */
#ifndef SEGUE_LIMITS_BUCKET_H
#define SEGUE_LIMITS_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket_rule {
    int64_t rate;  /* per second */
    int64_t burst; /* that may come at once, in the cluster */
    int64_t chunk; /* fetched at once */
};

struct bucket {
    int64_t free;        /* thousandths */
    int64_t share;       /* below zero: on credit */
    uint64_t counted_ms; /* when `free` was worked out */
    uint64_t full_ms;    /* until then it is known to be empty */
    uint64_t alone_ms;   /* when tokens were given out without Redis */
    int64_t asked;       /* for how many; 0 = no question is under way */
    bool scarce;         /* the last answer gave less than was asked for */
    bool owing;          /* ... and credit was not paid back yet when it was asked again */
};

/* With _ASK: bucket_ask is due. */
enum bucket_outcome {
    BUCKET_GO,
    BUCKET_GO_ASK,
    BUCKET_FULL,
    BUCKET_FULL_ASK
};

struct bucket_rule bucket_rule_of(uint64_t rate);
void bucket_init(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms);
/* One more comes. */
enum bucket_outcome bucket_spend(struct bucket *bucket, const struct bucket_rule *rule,
                                 uint64_t now_ms);
/* Whether nothing may come for now, because Redis has said so or credit is at its end: spends
 * nothing. */
bool bucket_is_empty(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms);
/* How many tokens to ask for, now: exactly one answer must follow. */
int64_t bucket_ask(struct bucket *bucket, const struct bucket_rule *rule);
/* The cluster's bucket gave so many; when it gave fewer than asked for, it will have one again
 * in wait_ms. */
void bucket_answered(struct bucket *bucket, const struct bucket_rule *rule, int64_t granted,
                     int64_t wait_ms, uint64_t now_ms);
/* Redis is away: the process goes by the whole rate alone. */
void bucket_unanswered(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ms);

#endif
