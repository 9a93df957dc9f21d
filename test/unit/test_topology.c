/* What nodes and sentinels say about who has what: taken when it is whole, else not at all. */
#include "test/unit/unit.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "gateway/store/topology.h"

static struct server asked;

static redisReply *reply_of(const char *resp)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static struct topology *cluster_of(const char *resp)
{
    redisReply *reply = reply_of(resp);
    struct topology *topology;

    server_set(&asked, STR("10.0.0.9"), 7009);
    topology = topology_of_cluster(reply, &asked);
    freeReplyObject(reply);
    return topology;
}

static struct topology *sentinel_of(const char *resp)
{
    redisReply *reply = reply_of(resp);
    struct topology *topology = topology_of_sentinel(reply);

    freeReplyObject(reply);
    return topology;
}

#define RANGE(first, last, host, port)                                                         \
    "*4\r\n:" first "\r\n:" last "\r\n*3\r\n" host ":" port "\r\n$2\r\nid\r\n"                 \
    "*3\r\n$7\r\nreplica\r\n:1\r\n$2\r\nid\r\n"

static void slots_have_masters(void **state)
{
    struct topology *topology =
        cluster_of("*3\r\n" RANGE("0", "5", "$4\r\nhost\r\n", "7001")
                       RANGE("10", "16383", "$9\r\n10.0.0.10\r\n", "7002")
                           RANGE("6", "6", "$4\r\nhost\r\n", "7001"));

    (void)state;
    assert_non_null(topology);
    assert_int_equal(topology->count, 2);
    assert_string_equal(topology->masters[0].host, "host");
    assert_int_equal(topology->masters[0].port, 7001);
    assert_string_equal(topology->masters[1].host, "10.0.0.10");
    assert_int_equal(topology->slots[0], 0);
    assert_int_equal(topology->slots[6], 0);
    assert_int_equal(topology->slots[7], TOPOLOGY_NOBODY);
    assert_int_equal(topology->slots[9], TOPOLOGY_NOBODY);
    assert_int_equal(topology->slots[10], 1);
    assert_int_equal(topology->slots[16383], 1);
    topology_destroy(topology);
}

static void who_does_not_know_his_name_is_the_one_that_was_asked(void **state)
{
    static const char *const hosts[] = {"$0\r\n\r\n", "$-1\r\n"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        char resp[256];
        struct topology *topology;

        snprintf(resp, sizeof(resp),
                 "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n%s:7001\r\n$2\r\nid\r\n", hosts[i]);
        topology = cluster_of(resp);
        assert_non_null(topology);
        assert_string_equal(topology->masters[0].host, "10.0.0.9");
        assert_int_equal(topology->masters[0].port, 7001);
        topology_destroy(topology);
    }
}

static void what_is_not_whole_is_nothing(void **state)
{
    static const char *const odd[] = {
        "*0\r\n",
        "+OK\r\n",
        "-ERR cluster support disabled\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n" RANGE("-1", "5", "$1\r\nh\r\n", "7001"),
        "*1\r\n" RANGE("5", "4", "$1\r\nh\r\n", "7001"),
        "*1\r\n" RANGE("0", "16384", "$1\r\nh\r\n", "7001"),
        "*1\r\n" RANGE("0", "1", "$1\r\nh\r\n", "0"),
        "*1\r\n" RANGE("0", "1", "$1\r\nh\r\n", "65536"),
        "*2\r\n" RANGE("0", "1", "$1\r\nh\r\n", "7001") "*1\r\n:2\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\nh\r\n:7001\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n$1\r\nh\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_null(cluster_of(odd[i]));
    }
    assert_null(topology_of_cluster(NULL, &asked));
    assert_null(topology_of_sentinel(NULL));
}

static void a_sentinel_names_one_who_has_all(void **state)
{
    struct topology *topology = sentinel_of("*2\r\n$9\r\n10.0.0.11\r\n$4\r\n6380\r\n");

    (void)state;
    assert_non_null(topology);
    assert_int_equal(topology->count, 1);
    assert_string_equal(topology->masters[0].host, "10.0.0.11");
    assert_int_equal(topology->masters[0].port, 6380);
    assert_int_equal(topology->slots[0], 0);
    assert_int_equal(topology->slots[16383], 0);
    topology_destroy(topology);
    assert_null(sentinel_of("*-1\r\n")); /* it knows no such name */
    assert_null(sentinel_of("*1\r\n$1\r\nh\r\n"));
    assert_null(sentinel_of("*2\r\n$0\r\n\r\n$4\r\n6380\r\n"));
    assert_null(sentinel_of("*2\r\n$1\r\nh\r\n$1\r\n0\r\n"));
    assert_null(sentinel_of("*2\r\n$1\r\nh\r\n$2\r\n-1\r\n"));
    assert_null(sentinel_of("*2\r\n$1\r\nh\r\n$5\r\n65536\r\n"));
    assert_null(sentinel_of("*2\r\n$1\r\nh\r\n:6380\r\n"));
}

static void redirections_are_read(void **state)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
        unsigned slot, port;
    } texts[] = {
        {"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 3999, 6381},
        {"ASK 16383 host.example:1", "host.example", 16383, 1},
        {"MOVED 0 2001:db8::1:7000", "2001:db8::1", 0, 7000},
        {"MOVED 5 :7000", "10.0.0.9", 5, 7000}, /* without a host: the same one */
        {"MOVED 16384 h:1", NULL, 0, 0},
        {"MOVED x h:1", NULL, 0, 0},
        {"MOVED 1 h", NULL, 0, 0},
        {"MOVED 1 h:0", NULL, 0, 0},
        {"MOVED 1 h:65536", NULL, 0, 0},
        {"MOVED 1", NULL, 0, 0},
        {"MOVED ", NULL, 0, 0},
        {"", NULL, 0, 0},
    };

    (void)state;
    server_set(&asked, STR("10.0.0.9"), 7009);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct server to;
        uint16_t slot;
        bool good = topology_read_redirection(str_of(texts[i].text), &asked, &slot, &to);

        assert_int_equal(good, texts[i].host != NULL);
        if (good) {
            assert_string_equal(to.host, texts[i].host);
            assert_int_equal(to.port, texts[i].port);
            assert_int_equal(slot, texts[i].slot);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_have_masters),
        cmocka_unit_test(who_does_not_know_his_name_is_the_one_that_was_asked),
        cmocka_unit_test(what_is_not_whole_is_nothing),
        cmocka_unit_test(a_sentinel_names_one_who_has_all),
        cmocka_unit_test(redirections_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
