/* What the process says about itself instead of running: the list of options, a part of the
 * manual or all of it, the version. */
#include "gateway/config_help.h"

#include <stdio.h>
#include <string.h>

#include "gateway/config_manual.h"

static void print_option(const struct config_option *option)
{
    char flag[64];
    const char *line = option->help;

    if (option->group != NULL) {
        printf("\n%s:\n", option->group);
    }
    snprintf(flag, sizeof(flag), "--%s %s", option->name,
             option->placeholder != NULL ? option->placeholder : "");
    for (const char *left = flag; line != NULL; left = "") {
        const char *end = strchr(line, '\n');

        printf("  %-30s%.*s\n", left, end != NULL ? (int)(end - line) : (int)strlen(line),
               line);
        line = end != NULL ? end + 1 : NULL;
    }
    if (config_takes_value(option)) {
        char twin[CONFIG_TWIN_MAX];

        config_twin(option, twin);
        printf("  %-30s[%s, default %s]\n", "", twin,
               option->standard != NULL ? option->standard : "none");
    }
}

static void print_list(void)
{
    size_t count;
    const struct config_option *options = config_options(&count);

    puts("segue - a realtime gateway: any number of equal processes on one Redis\n"
         "\n"
         "Usage: segue [--name value | --name=value]...\n"
         "\n"
         "Every option that takes a value has a twin in the environment, which the flag "
         "overrides.\n"
         "There, lists and what is repeatable are comma separated, and an empty variable "
         "counts as\n"
         "not set, save for lists, admin-listen and prefixes, where it means: none.\n"
         "\n"
         "segue --help OPTION tells when to change it; segue --manual tells everything.");
    for (size_t i = 0; i < count; i++) {
        print_option(&options[i]);
    }
    puts("\nExamples:\n"
         "  SEGUE_JWT_SECRET=change-me segue --redis redis://10.0.0.5:6379\n"
         "  segue --jwt-key 2026=/etc/segue/2026.pem --jwt-key 2025=/etc/segue/2025.pem\n"
         "  segue --listen [::]:8080 --origins 'https://*.example.com' --trusted-proxies "
         "10.0.0.0/8");
}

static bool print_part(struct str topic)
{
    struct buf text = {0};
    bool found = config_manual_part(&text, topic);

    if (found) {
        fputs(buf_text(&text), stdout);
    }
    buf_finish(&text);
    return found;
}

static void print_manual(enum config_form form)
{
    struct buf text = {0};

    config_manual(&text, form);
    fputs(buf_text(&text), stdout);
    buf_finish(&text);
}

bool config_tell(const struct config_option *option, struct str topic)
{
    switch (option->kind) {
    case KIND_MANUAL:
        print_manual(CONFIG_FORM_TEXT);
        return true;
    case KIND_MAN_PAGE:
        print_manual(CONFIG_FORM_ROFF);
        return true;
    case KIND_VERSION:
        puts("segue " SEGUE_VERSION);
        return true;
    default:
        if (topic.len > 0) {
            return print_part(topic);
        }
        print_list();
        return true;
    }
}
