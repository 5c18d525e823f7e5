#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "log/escape.h"

/* All n bytes of text, escaped, terminated. */
static const char *escape(enum escape_style style, const char *text, size_t n, char *out)
{
    size_t at = 0;
    while (n > 0) {
        size_t taken = 0;
        at += escape_next(style, text, n, out + at, &taken);
        assert_true(taken >= 1 && taken <= n);
        text += taken;
        n -= taken;
    }
    out[at] = '\0';
    return out;
}

static void expect(const char *text, const char *as_text, const char *as_json)
{
    char out[1024];
    assert_string_equal(escape(ESCAPE_TEXT, text, strlen(text), out), as_text);
    assert_string_equal(escape(ESCAPE_JSON, text, strlen(text), out), as_json);
}

static void printable_text_stays_as_it_is(void **state)
{
    (void)state;
    expect("layer1/weight [3,4]~", "layer1/weight [3,4]~", "layer1/weight [3,4]~");
    expect("h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80",
           "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80",
           "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    expect("a\nb\tc\rd", "a\\nb\\tc\\rd", "a\\nb\\tc\\rd");
    expect("\x1b[31m\x7f", "\\x1b[31m\\x7f", "\\u001b[31m\\u007f");
    expect("say \"x\\y\"", "say \\\"x\\\\y\\\"", "say \\\"x\\\\y\\\"");
    expect("\xc2\x9b", "\\u009b", "\\u009b");     /* C1: the one-byte CSI of old terminals */
    expect("\xe2\x80\xa8", "\\u2028", "\\u2028"); /* line separator */
    char out[2 * ESCAPE_MAX];
    assert_string_equal(escape(ESCAPE_JSON, "\0", 1, out), "\\u0000");
}

static void what_is_not_utf8_is_escaped(void **state)
{
    (void)state;
    expect("\xff", "\\xff", "\\ufffd");
    expect("\xc3", "\\xc3", "\\ufffd");                 /* cut short */
    expect("\xc3(", "\\xc3(", "\\ufffd(");              /* no continuation */
    expect("\xc0\xaf", "\\xc0\\xaf", "\\ufffd\\ufffd"); /* longer than needed */
    expect("\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\\ufffd\\ufffd\\ufffd");
    expect("\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
    expect("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    expect("\x80", "\\x80", "\\ufffd");
}

/* A reader that shares no code with ours must take whatever comes out. */
static void any_bytes_give_valid_json(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        char text[40];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = (char)(seed >> 24);
            if (seed & 0x800000u) /* mostly lead bytes and continuations, where the cases are */
                text[i] = (char)(0x80u | (seed >> 24));
        }
        char out[sizeof text * ESCAPE_MAX + 8];
        char document[sizeof out + 4];
        snprintf(document, sizeof document, "[\"%s\"]",
                 escape(ESCAPE_JSON, text, sizeof text, out));
        json_error_t error;
        json_t *json = json_loads(document, JSON_ALLOW_NUL, &error);
        if (json == NULL)
            fail_msg("%s: %s", document, error.text);
        json_decref(json);
    }
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    char out[12];
    assert_string_equal(escape_text(out, sizeof out, "short"), "short");
    assert_string_equal(escape_text(out, sizeof out, "12345678901"), "12345678...");
    assert_string_equal(escape_text(out, sizeof out, "1234567\n9012"), "1234567...");
    assert_string_equal(escape_text(out, 4, "12345"), "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_stays_as_it_is),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(what_is_not_utf8_is_escaped),
        cmocka_unit_test(any_bytes_give_valid_json),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
