#include "npy_header.h"

#include <string.h>

struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && strchr(" \t\r\n", *c->at) != NULL && *c->at != '\0')
        c->at++;
}

/* Takes the character, behind any space. */
static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A string in either quotes, without escapes: none that we know has any. */
static bool take_string(struct cursor *c, char *out, size_t room)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    char quote = *c->at++;
    const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (close == NULL || (size_t)(close - c->at) >= room)
        return false;
    size_t n = (size_t)(close - c->at);
    memcpy(out, c->at, n);
    out[n] = '\0';
    c->at = close + 1;
    return true;
}

static bool take_number(struct cursor *c, uint64_t *number)
{
    skip_space(c);
    const char *first = c->at;
    *number = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*c->at - '0'), number))
            return false;
        c->at++;
    }
    return c->at > first;
}

/* (), (3,), (3, 4) */
static bool take_shape(struct cursor *c, struct npy_header *header)
{
    header->ndim = 0;
    if (!take(c, '('))
        return false;
    while (!take(c, ')')) {
        if (header->ndim == NPY_DIMENSIONS_MAX || !take_number(c, &header->shape[header->ndim]))
            return false;
        header->ndim++;
        if (!take(c, ',')) {
            if (header->ndim == 1) /* (3) is no tuple */
                return false;
            return take(c, ')');
        }
    }
    return true;
}

enum {
    HAS_DESCR = 1,
    HAS_FORTRAN = 2,
    HAS_SHAPE = 4,
    HAS_ALL = 7
};

static const char *take_member(struct cursor *c, struct npy_header *header, unsigned *has)
{
    char key[16];
    if (!take_string(c, key, sizeof key) || !take(c, ':'))
        return "its header is no dictionary";
    if (strcmp(key, "descr") == 0) {
        *has |= HAS_DESCR;
        return take_string(c, header->descr, sizeof header->descr)
                   ? NULL
                   : "its elements are structures, which gradfold has no type for";
    }
    if (strcmp(key, "fortran_order") == 0) {
        *has |= HAS_FORTRAN;
        header->fortran = take_word(c, "True");
        return header->fortran || take_word(c, "False") ? NULL : "its fortran_order is no truth";
    }
    if (strcmp(key, "shape") == 0) {
        *has |= HAS_SHAPE;
        return take_shape(c, header) ? NULL : "its shape is no tuple of up to 64 numbers";
    }
    return "its header has an unknown key";
}

const char *npy_header_parse(const char *text, size_t n, struct npy_header *header)
{
    struct cursor c = {.at = text, .end = text + n};
    unsigned has = 0;
    if (!take(&c, '{'))
        return "its header is no dictionary";
    while (!take(&c, '}')) {
        const char *why = take_member(&c, header, &has);
        if (why != NULL)
            return why;
        if (!take(&c, ',')) {
            if (!take(&c, '}'))
                return "its header is no dictionary";
            break;
        }
    }
    return has == HAS_ALL ? NULL : "its header lacks descr, fortran_order or shape";
}
