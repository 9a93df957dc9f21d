/* What a member of a room says: refused with a sentence that fits into JSON, or a message that
 * obeys its bounds and whose frame, ended as the script ends it, is JSON. And a room's changes
 * as they are kept. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "gateway/proto/chat.h"

static void must_be_json(struct buf *text)
{
    const char *why = NULL;

    MUST(json_check(buf_str(text), &why) == ERR_OK);
    buf_finish(text);
}

static void check_message(const struct chat_message *message)
{
    struct buf text = {0};

    MUST(message->text.len >= 1 && message->text.len <= CHAT_TEXT_MAX);
    MUST(message->name.len <= CHAT_NAME_MAX);
    chat_write_message(&text, str_from("", 0), STR("den"), message);
    buf_add_text(&text, ",\"id\":\"1\",\"time\":\"\"}");
    must_be_json(&text);
}

static void check_change(struct str bytes)
{
    struct chat_change change;
    struct chat_welcome welcome = {STR("me"), STR("den"), 1, &change, 1};
    struct buf text = {0};

    if (chat_read_change(bytes, &change)) {
        MUST(change.frame.len > 0);
        MUST(change.frame.at + change.frame.len == bytes.at + bytes.len);
        chat_write_welcome(&text, &welcome, bytes.len);
        MUST(text.len <= bytes.len || text.len < 80);
        buf_finish(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_from((const char *)data, size);
    struct chat_command command;
    char why[JSON_WHY_MAX];
    struct buf text = {0};

    if (chat_parse(bytes, &command, why) != ERR_OK) {
        MUST(why[0] != '\0' && strlen(why) < JSON_WHY_MAX);
        chat_write_error(&text, "invalid_format", why);
        must_be_json(&text);
    } else if (command.verb == CHAT_MESSAGE) {
        check_message(&command.message);
    }
    chat_finish(&command);
    check_change(bytes);
    return 0;
}
