#include "base/dtype.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTYPE_F32] = {"f32", 4},   [DTYPE_F64] = {"f64", 8}, [DTYPE_F16] = {"f16", 2},
    [DTYPE_BF16] = {"bf16", 2}, [DTYPE_I32] = {"i32", 4}, [DTYPE_I64] = {"i64", 8},
};

bool dtype_valid(int dtype)
{
    return dtype >= DTYPE_F32 && dtype <= DTYPE_I64;
}

size_t dtype_size(enum dtype dtype)
{
    return dtypes[dtype].size;
}

const char *dtype_name(int dtype)
{
    return dtype_valid(dtype) ? dtypes[dtype].name : "?";
}

bool dtype_is_float(enum dtype dtype)
{
    return dtype <= DTYPE_BF16;
}

bool dtype_widens(enum dtype from, enum dtype to)
{
    if (from == to)
        return true;
    switch (from) {
    case DTYPE_F16:
    case DTYPE_BF16:
        return to == DTYPE_F32 || to == DTYPE_F64;
    case DTYPE_F32:
        return to == DTYPE_F64;
    case DTYPE_I32:
        return to == DTYPE_I64;
    default:
        return false;
    }
}
