/* The names of codes and element types, and the check that they are the wire's. */
#include "gradfold/types.h"

#include "base/code.h"
#include "base/dtype.h"
#include "proto/header.h"

#define SAME(name, number, retryable, text)            \
    _Static_assert((int)GF_##name == (number), #name); \
    _Static_assert((int)GRADFOLD__V1__CODE__CODE_##name == (number), #name);
CODE_TABLE(SAME)
#undef SAME

_Static_assert((int)GF_F32 == (int)DTYPE_F32 && (int)GF_F64 == (int)DTYPE_F64, "dtypes");
_Static_assert((int)GF_F16 == (int)DTYPE_F16 && (int)GF_BF16 == (int)DTYPE_BF16, "dtypes");
_Static_assert((int)GF_I32 == (int)DTYPE_I32 && (int)GF_I64 == (int)DTYPE_I64, "dtypes");
_Static_assert(sizeof(gf_error) == 512, "part of the ABI");

static const struct {
    const char *name;
    const char *text;
    bool retryable;
} own[] = {
    {"CLIENT_UNREACHABLE", "nobody answered at the server's address", true},
    {"CLIENT_NO_MEMORY", "memory is exhausted", true},
    {"CLIENT_CANCELLED", "the handle was closed", false},
    {"CLIENT_PROTOCOL", "the server's answer makes no sense", false},
    {"CLIENT_BUFFER", "a gradient does not fit the buffer it was pulled into", false},
    {"CLIENT_SYSTEM", "the system refused a thread or a descriptor", true},
};

static int own_index(gf_code code)
{
    int first = (int)GF_CLIENT_UNREACHABLE;
    int n = (int)(sizeof own / sizeof *own);
    return (int)code >= first && (int)code - first < n ? (int)code - first : -1;
}

const char *gf_code_name(gf_code code)
{
    int i = own_index(code);
    return i >= 0 ? own[i].name : code_name((int)code);
}

const char *gf_code_text(gf_code code)
{
    int i = own_index(code);
    return i >= 0 ? own[i].text : code_text((int)code);
}

bool gf_code_retryable(gf_code code)
{
    int i = own_index(code);
    return i >= 0 ? own[i].retryable : code_retryable((int)code);
}

size_t gf_dtype_size(gf_dtype dtype)
{
    return dtype_valid((int)dtype) ? dtype_size((enum dtype)dtype) : 0;
}

const char *gf_dtype_name(gf_dtype dtype)
{
    return dtype_name((int)dtype);
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

const char *gf_version(void)
{
    return TEXT(GF_VERSION_MAJOR) "." TEXT(GF_VERSION_MINOR) "." TEXT(GF_VERSION_PATCH);
}
