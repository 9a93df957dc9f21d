/* The manual: as text for a terminal and as the source of segue(8).
 *
 * What an option is called, takes and means stands in the table of options; why one would
 * change it, and everything else, in manual.txt, which the build lays into the binary. A
 * heading there is "# CHAPTER" or "## option"; behind it stand blocks, parted by empty lines: a
 * paragraph, "- term" with its explanation, or an example, which is indented. Each block is
 * written in one of two forms; nothing else knows how they differ. */
#include "gateway/config_manual.h"

#include <stdio.h>
#include <string.h>

#include "common/reason.h"
#include "gateway/config_value.h"

enum {
    WIDTH = 80,
    INDENT = 4, /* of a chapter's text; twice that below a term */
    NAME_MAX_BYTES = 64
};

__asm__(".section .rodata\n"
        "config_manual_text: .incbin \"gateway/manual.txt\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char config_manual_text[];

struct page {
    struct buf *to;
    enum config_form form;
    bool below; /* a term, whose explanation goes on */
    bool fresh; /* a heading was the last */
};

/* ---- words ---- */

static void add_roff(struct buf *to, struct str text)
{
    bool bold = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (c == '`') {
            bold = !bold;
            buf_add_text(to, bold ? "\\fB" : "\\fR");
        } else if (c == '-' || c == '\\') {
            buf_add_text(to, c == '-' ? "\\-" : "\\e");
        } else if (c == '\'' || c == '~' || c == '^') {
            buf_add_text(to, c == '\'' ? "\\(aq" : c == '~' ? "\\(ti" : "\\(ha");
        } else {
            buf_add_char(to, c);
        }
    }
}

static bool next_word(struct str *rest, struct str *word)
{
    size_t len = 0;

    while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\n')) {
        *rest = str_skip(*rest, 1);
    }
    while (len < rest->len && rest->at[len] != ' ' && rest->at[len] != '\n') {
        len++;
    }
    *word = str_from(rest->at, len);
    *rest = str_skip(*rest, len);
    return len > 0;
}

static void add_blanks(struct buf *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_add_char(to, ' ');
    }
}

/* Words in lines of WIDTH, the last one ended. In roff no line may begin with a dot. */
static void add_words(struct page *page, struct str text)
{
    bool roff = page->form == CONFIG_FORM_ROFF;
    size_t indent = roff ? 0 : INDENT * (page->below ? 2 : 1), column = 0;
    struct buf form = {0};
    struct str word;

    while (next_word(&text, &word)) {
        buf_clear(&form);
        roff ? add_roff(&form, word) : buf_add(&form, word);
        if (column > 0 && column + 1 + form.len > WIDTH) {
            buf_add_char(page->to, '\n');
            column = 0;
        }
        if (column == 0) {
            add_blanks(page->to, indent);
            buf_add_text(page->to, roff && word.at[0] == '.' ? "\\&" : "");
        } else {
            buf_add_char(page->to, ' ');
        }
        column += (column == 0 ? indent : 1) + form.len;
        buf_add(page->to, buf_str(&form));
    }
    buf_add_char(page->to, '\n');
    buf_finish(&form);
}

/* ---- blocks ---- */

static void add_heading(struct page *page, struct str name, const char *macro)
{
    page->below = false;
    page->fresh = true;
    if (page->form == CONFIG_FORM_ROFF) {
        buf_addf(page->to, "%s \"%.*s\"\n", macro, STR_ARG(name));
        return;
    }
    buf_add_text(page->to, page->to->len > 0 ? "\n" : "");
    add_blanks(page->to, strcmp(macro, ".SS") == 0 ? INDENT / 2 : 0);
    buf_addf(page->to, "%.*s\n", STR_ARG(name));
}

static void add_paragraph(struct page *page, struct str text)
{
    if (page->form == CONFIG_FORM_ROFF) {
        buf_add_text(page->to, page->fresh ? "" : page->below ? ".IP\n" : ".PP\n");
    } else {
        buf_add_char(page->to, '\n');
    }
    add_words(page, text);
    page->fresh = false;
}

static void add_term(struct page *page, struct str term, struct str text)
{
    page->below = true;
    page->fresh = false;
    if (page->form == CONFIG_FORM_ROFF) {
        buf_add_text(page->to, ".TP\n\\fB");
        add_roff(page->to, term);
        buf_add_text(page->to, "\\fR\n");
    } else {
        buf_add_char(page->to, '\n');
        add_blanks(page->to, INDENT);
        buf_add(page->to, term);
        buf_add_char(page->to, '\n');
    }
    add_words(page, text);
}

static void add_example(struct page *page, struct str text)
{
    bool roff = page->form == CONFIG_FORM_ROFF;
    struct str line;

    buf_add_text(page->to, !roff ? "\n" : page->below ? ".IP\n.EX\n" : ".PP\n.EX\n");
    while (text.len > 0) {
        str_cut(text, '\n', &line, &text);
        if (roff) {
            add_roff(page->to, line); /* indented: no dot comes first */
        } else {
            add_blanks(page->to, page->below ? INDENT : 0);
            add_blanks(page->to, INDENT);
            buf_add(page->to, line);
        }
        buf_add_char(page->to, '\n');
    }
    buf_add_text(page->to, roff ? ".EE\n" : "");
}

static void add_block(struct page *page, struct str block)
{
    struct str term, text;

    if (str_starts(block, STR("    "))) {
        add_example(page, block);
    } else if (str_starts(block, STR("- "))) {
        str_cut(str_skip(block, 2), '\n', &term, &text);
        add_term(page, term, text);
    } else {
        add_paragraph(page, block);
    }
}

/* ---- manual.txt ---- */

/* Takes the next block, without its last line end; false at the end. */
static bool next_block(struct str *rest, struct str *block)
{
    size_t len = 0;

    while (rest->len > 0 && rest->at[0] == '\n') {
        *rest = str_skip(*rest, 1);
    }
    while (len < rest->len && !str_starts(str_skip(*rest, len), STR("\n\n"))) {
        len++;
    }
    *block = str_from(rest->at, len);
    *rest = str_skip(*rest, len);
    if (block->len > 0 && block->at[block->len - 1] == '\n') {
        block->len--; /* the last line of the file */
    }
    return block->len > 0;
}

static bool is_heading(struct str block)
{
    return block.len > 0 && block.at[0] == '#';
}

/* What stands behind that heading, whose name becomes as it is written; false when there is
 * none. */
static bool find_part(const char *marks, struct str *name, struct str *part)
{
    struct str block;

    *part = str_of(config_manual_text);
    while (next_block(part, &block)) {
        struct str found = str_skip(block, strlen(marks));

        if (str_starts(block, str_of(marks)) && str_equal_nocase(found, *name)) {
            *name = found;
            return true;
        }
    }
    return false;
}

/* The blocks up to the next heading. */
static void add_part(struct page *page, struct str part)
{
    struct str block;

    while (next_block(&part, &block) && !is_heading(block)) {
        add_block(page, block);
    }
}

/* ---- options ---- */

/* The lines of --help as a sentence; a word that is no plain one begins it as it is. */
static void add_meaning(struct buf *to, const struct config_option *option)
{
    size_t plain = strspn(option->help, "abcdefghijklmnopqrstuvwxyz");
    bool raised = plain > 0 && option->help[plain] == ' ';

    buf_add_char(to, raised ? (char)(option->help[0] - 'a' + 'A') : option->help[0]);
    buf_add_text(to, option->help + 1);
    buf_add_char(to, '.');
}

static void add_value_line(struct buf *to, const struct config_option *option)
{
    char twin[CONFIG_TWIN_MAX];

    config_twin(option, twin);
    buf_addf(to, "`%s`; ", twin);
    if (option->kind == KIND_NUMBER) {
        buf_addf(to, "%llu to %llu; ", (unsigned long long)option->min,
                 (unsigned long long)option->max);
    }
    if (option->standard != NULL) {
        buf_addf(to, "default `%s`.", option->standard);
    } else {
        buf_add_text(to, "no default.");
    }
}

static void add_option(struct page *page, const struct config_option *option)
{
    struct buf text = {0};
    struct str name = str_of(option->name), part;
    char term[NAME_MAX_BYTES];

    snprintf(term, sizeof(term), "--%s%s%s", option->name,
             option->placeholder != NULL ? " " : "",
             option->placeholder != NULL ? option->placeholder : "");
    add_meaning(&text, option);
    add_term(page, str_of(term), buf_str(&text));
    if (config_takes_value(option)) {
        buf_clear(&text);
        add_value_line(&text, option);
        add_paragraph(page, buf_str(&text));
    }
    buf_finish(&text);
    if (find_part("## ", &name, &part)) {
        add_part(page, part);
    }
}

static void add_options(struct page *page)
{
    size_t count;
    const struct config_option *options = config_options(&count);

    for (size_t i = 0; i < count; i++) {
        if (options[i].group != NULL) {
            add_heading(page, str_of(options[i].group), ".SS");
        }
        add_option(page, &options[i]);
    }
}

/* ---- close codes ---- */

/* Reasons with the same code stand side by side in their table. */
static void add_close_codes(struct page *page)
{
    struct buf text = {0};

    for (int i = 0; i < REASON_COUNT; i++) {
        unsigned code = reason_code((enum reason)i);
        bool more = i + 1 < REASON_COUNT && reason_code((enum reason)(i + 1)) == code;
        char term[NAME_MAX_BYTES];

        if (code == 0) {
            continue;
        }
        buf_addf(&text, "%s%s", reason_word((enum reason)i), more ? "; " : ".");
        if (!more) {
            snprintf(term, sizeof(term), "%u", code);
            add_term(page, str_of(term), buf_str(&text));
            buf_clear(&text);
        }
    }
    buf_finish(&text);
}

/* ---- the whole, and parts of it ---- */

/* Chapters that go on with rows of a table. */
static const struct {
    const char *name;
    void (*add)(struct page *page);
} tables[] = {{"OPTIONS", add_options}, {"CLOSE CODES", add_close_codes}};

static void add_chapter(struct page *page, struct str name, struct str part)
{
    add_heading(page, name, ".SH");
    add_part(page, part);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (str_equal_nocase(name, str_of(tables[i].name))) {
            tables[i].add(page);
        }
    }
}

void config_manual(struct buf *to, enum config_form form)
{
    struct page page = {.to = to, .form = form};
    struct str rest = str_of(config_manual_text), block;

    if (form == CONFIG_FORM_ROFF) {
        buf_add_text(to, ".TH SEGUE 8 \"\" \"segue " SEGUE_VERSION "\"\n"
                         ".nh\n"); /* flags are not hyphenated */
    }
    while (next_block(&rest, &block)) {
        if (str_starts(block, STR("# "))) {
            add_chapter(&page, str_skip(block, 2), rest);
        }
    }
}

bool config_manual_part(struct buf *to, struct str topic)
{
    struct page page = {.to = to, .form = CONFIG_FORM_TEXT};
    struct str name = str_starts(topic, STR("--")) ? str_skip(topic, 2) : topic, part;
    const struct config_option *option = config_find_option(name);

    if (option != NULL) {
        add_option(&page, option);
        return true;
    }
    if (find_part("# ", &name, &part)) {
        add_chapter(&page, name, part);
        return true;
    }
    return false;
}
