/* Runs a fuzz target over files and folders of files: every compiler replays what the fuzzer
 * has found.
 *
 *     replay FILE_OR_FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/mem.h"
#include "test/fuzz/fuzz.h"

/* Reads a file; false with a line on stderr when that fails. */
static bool read_all(const char *path, struct buf *content)
{
    FILE *file = fopen(path, "rb");
    size_t got;
    bool good;

    if (!file) {
        perror(path);
        return false;
    }
    do {
        got = fread(buf_reserve(content, 4096), 1, 4096, file);
        content->len += got;
    } while (got > 0);
    good = !ferror(file);
    if (!good) {
        perror(path);
    }
    fclose(file);
    return good;
}

static bool replay_file(const char *path)
{
    struct buf content = {0};
    bool good = read_all(path, &content);

    if (good) {
        /* A copy of exact size, so that a sanitizer sees a byte read beyond it. */
        char *exact = mem_alloc(content.len);

        if (content.len > 0) {
            memcpy(exact, content.at, content.len);
        }
        LLVMFuzzerTestOneInput((const uint8_t *)exact, content.len);
        mem_free(exact);
    }
    buf_finish(&content);
    return good;
}

/* Returns how many files were replayed; -1 when one could not be read. */
static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int count = 0;

    if (!folder) {
        perror(path);
        return -1;
    }
    while (count >= 0 && (entry = readdir(folder))) {
        struct buf name = {0};

        if (entry->d_name[0] == '.') {
            continue;
        }
        buf_addf(&name, "%s/%s", path, entry->d_name);
        count = replay_file(buf_text(&name)) ? count + 1 : -1;
        buf_finish(&name);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat info;
        int count;

        if (stat(argv[i], &info) != 0) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        count = S_ISDIR(info.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]) ? 1 : -1;
        if (count < 0) {
            return EXIT_FAILURE;
        }
        total += count;
    }
    if (total == 0) {
        fputs("replay: nothing to replay\n", stderr);
        return EXIT_FAILURE;
    }
    printf("%d replayed\n", total);
    return EXIT_SUCCESS;
}
