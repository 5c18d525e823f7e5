#include "arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npz.h"
#include "report.h"

static bool make_room(struct arrays *arrays)
{
    if (arrays->count < arrays->room)
        return true;
    size_t room = arrays->room == 0 ? 16 : 2 * arrays->room;
    struct array *item = realloc(arrays->item, room * sizeof *item);
    if (item == NULL)
        return false;
    arrays->item = item;
    arrays->room = room;
    return true;
}

enum exit_status arrays_add(struct arrays *arrays, const char *path, const char *label, size_t n,
                            struct blob *blob, bool bf16)
{
    char why[256];
    char *copy = strndup(label, n);
    if (copy == NULL || !make_room(arrays)) {
        free(copy);
        blob_free(blob);
        return report_no_memory();
    }
    struct array *array = &arrays->item[arrays->count++];
    *array = (struct array){.label = copy, .path = path, .blob = *blob};
    if (npy_parse(array->blob.bytes, array->blob.size, bf16, &array->npy, why, sizeof why))
        return STATUS_DONE;
    complain("%s: array %s: %s", path, copy, why);
    return STATUS_FILE;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static enum exit_status read_npy(struct arrays *arrays, const char *path, const char *label,
                                 size_t n, bool bf16)
{
    struct blob blob;
    enum exit_status status = blob_read(&blob, path, SIZE_MAX / 4);
    return status == STATUS_DONE ? arrays_add(arrays, path, label, n, &blob, bf16) : status;
}

enum exit_status arrays_read(struct arrays *arrays, const char *operand, bool bf16)
{
    const char *equals = strrchr(operand, '=');
    const char *path = equals == NULL ? operand : equals + 1;
    if (ends_with(path, ".npz")) {
        if (equals == NULL)
            return npz_read(arrays, path, bf16);
        complain("%s: an .npz names its nodes itself", operand);
        advise("give the file alone");
        return STATUS_USAGE;
    }
    if (equals != NULL)
        return read_npy(arrays, path, operand, (size_t)(equals - operand), bf16);
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    if (!ends_with(base, ".npy")) {
        complain("%s: not known to be of which node", operand);
        advise("give NODE=FILE, or a file called NODE.npy, or an .npz");
        return STATUS_USAGE;
    }
    return read_npy(arrays, path, base, strlen(base) - strlen(".npy"), bf16);
}

void arrays_free(struct arrays *arrays)
{
    for (size_t i = 0; i < arrays->count; i++) {
        free(arrays->item[i].label);
        blob_free(&arrays->item[i].blob);
        npy_free(&arrays->item[i].npy);
    }
    free(arrays->item);
    *arrays = (struct arrays){0};
}
