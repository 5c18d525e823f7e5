#include "message_strings.h"

#include <string.h>

#include "base/utf8.h"

static bool value_ok(const ProtobufCFieldDescriptor *field, const void *at)
{
    const char *text;
    const ProtobufCMessage *message;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        memcpy(&text, at, sizeof text);
        return text == NULL || utf8_is_text(text, strlen(text));
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        memcpy(&message, at, sizeof message);
        return message == NULL || message_strings_ok(message);
    }
    return true;
}

static bool field_ok(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    unsigned which;
    size_t n;
    const char *values;
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    memcpy(&which, base + field->quantifier_offset, sizeof which);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return which != field->id || value_ok(field, base + field->offset);
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return value_ok(field, base + field->offset);
    memcpy(&n, base + field->quantifier_offset, sizeof n);
    memcpy(&values, base + field->offset, sizeof values);
    for (size_t i = 0; i < n; i++)
        if (!value_ok(field, values + i * sizeof(void *)))
            return false;
    return true;
}

bool message_strings_ok(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        if (!field_ok(message, &message->descriptor->fields[i]))
            return false;
    return true;
}
