#include "npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "report.h"

static enum exit_status open_failed(const char *path, int code)
{
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    complain("%s: %s", path, zip_error_strerror(&error));
    zip_error_fini(&error);
    return STATUS_FILE;
}

static enum exit_status failed(const char *path, zip_t *zip)
{
    complain("%s: %s", path, zip_strerror(zip));
    return STATUS_FILE;
}

/* -- Reading -- */

/* All bytes of a member, of the size that the directory says. NULL, or why not. */
static const char *read_member(zip_t *zip, zip_uint64_t index, zip_uint64_t size, struct blob *blob)
{
    *blob = (struct blob){.bytes = size < SIZE_MAX / 2 ? malloc(size + 1) : NULL, .size = size};
    if (blob->bytes == NULL)
        return "not enough memory";
    zip_file_t *file = zip_fopen_index(zip, index, 0);
    if (file == NULL)
        return zip_strerror(zip);
    size_t done = 0;
    zip_int64_t n = 1;
    while (done < size && n > 0) {
        n = zip_fread(file, blob->bytes + done, size - done);
        done += n > 0 ? (size_t)n : 0;
    }
    char more;
    if (done == size && n >= 0)
        n = zip_fread(file, &more, 1); /* the end of it, where the checksum is compared */
    int code = zip_error_code_zip(zip_file_get_error(file));
    zip_fclose(file);
    if (done == size && n == 0)
        return NULL;
    if (code == ZIP_ER_CRC)
        return "its checksum (CRC) is wrong";
    return code == ZIP_ER_OK ? "it has another size than the directory says"
                             : "its data make no sense";
}

static enum exit_status add_member(struct arrays *arrays, zip_t *zip, const char *path,
                                   zip_uint64_t index, bool bf16)
{
    zip_stat_t stat;
    struct blob blob = {0};
    if (zip_stat_index(zip, index, 0, &stat) != 0)
        return failed(path, zip);
    size_t n = strlen(stat.name);
    if (n < 4 || strcmp(stat.name + n - 4, ".npy") != 0) {
        complain("%s: its member %s is no .npy", path, stat.name);
        return STATUS_FILE;
    }
    const char *why = read_member(zip, index, stat.size, &blob);
    if (why != NULL) {
        blob_free(&blob);
        complain("%s: its member %s cannot be read: %s", path, stat.name, why);
        return STATUS_FILE;
    }
    return arrays_add(arrays, path, stat.name, n - 4, &blob, bf16);
}

enum exit_status npz_read(struct arrays *arrays, const char *path, bool bf16)
{
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
    if (zip == NULL)
        return open_failed(path, code);
    enum exit_status status = STATUS_DONE;
    zip_int64_t n = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; status == STATUS_DONE && i < n; i++)
        status = add_member(arrays, zip, path, (zip_uint64_t)i, bf16);
    zip_discard(zip);
    return status;
}

/* -- Writing -- */

static bool write_member(zip_t *zip, const struct npz_member *member)
{
    size_t room = strlen(member->name) + sizeof ".npy";
    char *name = malloc(room);
    zip_source_t *source = zip_source_buffer(zip, member->file.bytes, member->file.size, 0);
    if (name == NULL || source == NULL) {
        free(name);
        zip_source_free(source);
        return false;
    }
    snprintf(name, room, "%s.npy", member->name);
    zip_int64_t index = zip_file_add(zip, name, source, 0);
    free(name);
    if (index < 0) {
        zip_source_free(source);
        return false;
    }
    /* 1980, as NumPy has it: a file depends on nothing but the tensors. */
    return zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) == 0 &&
           zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 1 << 5 | 1, 0) == 0;
}

enum exit_status npz_write(const char *path, const struct npz_member *members, size_t n)
{
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (zip == NULL)
        return open_failed(path, code);
    enum exit_status status = STATUS_DONE;
    for (size_t i = 0; status == STATUS_DONE && i < n; i++)
        status = write_member(zip, &members[i]) ? STATUS_DONE : failed(path, zip);
    if (status == STATUS_DONE && zip_close(zip) != 0)
        status = failed(path, zip);
    else if (status == STATUS_DONE)
        return STATUS_DONE;
    zip_discard(zip);
    return status;
}
