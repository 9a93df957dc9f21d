/* A batch: many operations of the server API in one request, one result each, in order.
 *
 *     rest_batch --(with a key: begun?)--> perform: one exchange per operation, all at once
 *                                             | answered, refused, in any order
 *     exchange_answer <---the last one--- settle: its result is kept
 *
 * The calls leave in the order of the operations, and Redis runs them in that order. Each
 * operation is an exchange of its own, whose carrier we are; what it keeps while it waits is
 * small, since its body is given up once its handler has read it.
 *
 * The Idempotency-Key K of a batch gives its operations the keys K/0, K/1, ... by which each
 * happens once. Before them stands a mark of the whole batch, so that another batch with that
 * key is refused as a whole. */
#include "common/codec.h"
#include "common/json.h"
#include "common/json_text.h"
#include "common/mem.h"
#include "common/path.h"
#include "gateway/proto/rest.h"

enum {
    OPERATIONS_MAX = 1000,
    NUMBER_ROOM = 8 /* of an operation's number as text, with its slash */
};

struct operation {
    struct batch *batch;       /* borrowed: it holds us */
    struct str text;           /* borrowed from the batch's; used while it begins */
    struct exchange *exchange; /* NULL: not begun, or over */
    struct buf names; /* what its question borrows: the path's parameter, then its key */
    struct buf result;
};

struct batch {
    struct exchange *exchange; /* borrowed: it owns us */
    size_t left; /* operations to be settled, and one while they are being begun */
    size_t count;
    struct operation operations[];
};

/* ---- results ---- */

static void settle(struct batch *batch)
{
    struct buf json = {0};

    if (--batch->left > 0) {
        return;
    }
    buf_add_text(&json, "{\"results\":[");
    for (size_t i = 0; i < batch->count; i++) {
        buf_add_text(&json, i > 0 ? ",{\"status\":" : "{\"status\":");
        buf_add(&json, buf_str(&batch->operations[i].result));
        buf_add_char(&json, '}');
    }
    buf_add_text(&json, "]}");
    exchange_answer(batch->exchange, 200, buf_str(&json));
    buf_finish(&json);
}

static void carry_answer(void *carrying, int status, struct str json)
{
    struct operation *operation = carrying;

    operation->exchange = NULL;
    buf_addf(&operation->result, "%d,\"body\":", status);
    buf_add(&operation->result, json);
    settle(operation->batch);
}

static void carry_refuse(void *carrying, enum err err, const char *why)
{
    struct buf json = {0};

    json_add_error(&json, err, why);
    carry_answer(carrying, err_status(err), buf_str(&json));
    buf_finish(&json);
}

static const struct exchange_carrier carrier = {carry_answer, carry_refuse};

/* ---- operations ---- */

/* The row of the server API that a POST to this path is for; NULL = none. */
static const struct endpoint *find_row(struct str path, struct str *param)
{
    for (const struct endpoint *row = rest_table; row->path != NULL; row++) {
        if (row->who == ENDPOINT_SERVER && row->method[0] == 'P' && !row->batch &&
            path_fits(row->path, path, param)) {
            return row;
        }
    }
    return NULL;
}

static const char *path_fault(struct str operation, const struct json_part *path)
{
    const char *why = NULL;

    if (operation.at[0] != '{') {
        return "operations: each must be an object with path and body";
    }
    if (path->count == 0) {
        return "path: is missing";
    }
    if (path->count > 1) {
        return "path: stands there twice";
    }
    if (path->value.at[0] != '"' || json_check(path->value, &why) != ERR_OK) {
        return "path: must be a string";
    }
    return NULL;
}

static const char *body_fault(const struct json_part *body)
{
    if (body->count > 1) {
        return "body: stands there twice";
    }
    return body->count == 1 && body->value.at[0] != '{' ? "body: must be an object" : NULL;
}

/* The operation's place in the batch is part of its key. */
static struct question ask(struct operation *operation, struct str param, struct str body)
{
    const struct batch *batch = operation->batch;
    struct str key = batch->exchange->asked.key;
    struct question question = {.text = body};

    buf_add(&operation->names, param);
    if (key.at != NULL) {
        buf_addf(&operation->names, "%.*s/%zu", STR_ARG(key),
                 (size_t)(operation - batch->operations));
        question.key = str_skip(buf_str(&operation->names), param.len);
    }
    question.param = str_from(operation->names.at, param.len);
    return question;
}

/* What the exchange read of its body is not needed once its call is on its way. */
static void serve(struct operation *operation, const struct endpoint *row, struct str param,
                  struct str body)
{
    const struct claims nobody = {.expires_ms = INT64_MAX};
    struct question question = ask(operation, param, body);
    struct exchange *exchange = exchange_create(operation->batch->exchange->services, row,
                                                &question, &nobody, &carrier, operation);

    operation->exchange = exchange;
    exchange_serve(exchange);
    if (operation->exchange != NULL) {
        cJSON_Delete(exchange->body);
        exchange->body = NULL;
    }
}

/* Refusals come in the order in which a request of its own would hear them. */
static void begin(struct operation *operation)
{
    struct json_part parts[] = {{.name = STR("path")}, {.name = STR("body")}};
    const struct config *config = operation->batch->exchange->services->config;
    struct str text = operation->text;
    const struct endpoint *row = NULL;
    struct buf path = {0}, decoded = {0};
    struct str param;
    const char *why;
    enum err err = ERR_BAD_REQUEST;

    json_find_members(text, parts, 2);
    why = path_fault(text, &parts[0]);
    if (why == NULL) {
        json_unescape(parts[0].value, &path);
        row = find_row(buf_str(&path), &param);
    }
    if (why == NULL && row == NULL) {
        err = ERR_NOT_FOUND;
        why = "path: no operation of the server API is there";
    }
    if (why == NULL && text.len > config->max_message) {
        err = ERR_TOO_LARGE;
        why = "the operation is larger than allowed";
    }
    if (why == NULL) {
        why = body_fault(&parts[1]);
    }
    if (why == NULL && codec_unpercent(param, false, &decoded) != ERR_OK) {
        why = "path: has a bad escape";
    }
    if (why != NULL) {
        carry_refuse(operation, err, why);
    } else {
        serve(operation, row, buf_str(&decoded), parts[1].value);
    }
    buf_finish(&path);
    buf_finish(&decoded);
}

/* ---- the batch ---- */

/* All at once; whoever leaves now does not keep any of it from happening. */
static void perform(struct batch *batch)
{
    batch->left = batch->count + 1;
    for (size_t i = 0; i < batch->count; i++) {
        begin(&batch->operations[i]);
    }
    settle(batch);
}

static void on_begun(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;

    if (!rest_has_refused(exchange, err, reply, NULL)) {
        perform(exchange->state);
    }
}

/* Has the batch, which was read, carried out. */
static void start(struct exchange *exchange)
{
    struct rest_once once;

    if (!store_is_up(exchange->services->store)) {
        exchange_refuse(exchange, ERR_UNAVAILABLE, NULL);
    } else if (exchange->asked.key.at == NULL) {
        perform(exchange->state);
    } else {
        rest_once(exchange, KEYS_EVERYBODY, &once);
        store_call(exchange->services->store, SCRIPT_batch_begin, STRS(once.key),
                   STRS(once.mark), &exchange->calls, on_begun, exchange);
    }
}

static void on_end(struct exchange *exchange)
{
    struct batch *batch = exchange->state;

    for (size_t i = 0; i < batch->count; i++) {
        exchange_destroy(batch->operations[i].exchange);
        buf_finish(&batch->operations[i].names);
        buf_finish(&batch->operations[i].result);
    }
}

/* Finds the texts of the operations; NULL, or why they are none. */
static const char *read_list(struct str text, struct str items[OPERATIONS_MAX], size_t *count)
{
    struct json_part operations = {.name = STR("operations")};
    struct str rest, item;

    json_find_members(text, &operations, 1);
    if (operations.count == 0) {
        return "operations: is missing";
    }
    if (operations.count > 1) {
        return "operations: stands there twice";
    }
    if (operations.value.at[0] != '[') {
        return "operations: must be an array";
    }
    rest = json_inside(operations.value);
    for (*count = 0; json_next_item(&rest, &item); ++*count) {
        if (*count == OPERATIONS_MAX) {
            return "operations: must be 1000 at most";
        }
        items[*count] = item;
    }
    return NULL;
}

static struct batch *create(struct exchange *exchange, const struct str *items, size_t count)
{
    struct batch *batch = mem_zero(sizeof(*batch) + count * sizeof(batch->operations[0]));

    batch->exchange = exchange;
    batch->count = count;
    for (size_t i = 0; i < count; i++) {
        batch->operations[i].batch = batch;
        batch->operations[i].text = items[i];
    }
    return batch;
}

void rest_batch(struct exchange *exchange)
{
    struct str text = json_trim(exchange->asked.text);
    struct str items[OPERATIONS_MAX];
    const char *why = NULL;
    size_t count = 0;

    if (json_check_envelope(text, &why) != ERR_OK ||
        (why = text.at[0] != '{' ? "the body must be a JSON object"
                                 : read_list(text, items, &count)) != NULL) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
        return;
    }
    exchange->state = create(exchange, items, count);
    exchange->end = on_end;
    start(exchange);
}
