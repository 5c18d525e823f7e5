#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "report.h"

enum {
    CONNECT_MS = 5000,
    ANSWER_BYTES_MAX = 256 << 20,
    HTTP_OK = 200,
    HTTP_NOT_FOUND = 404
};

__attribute__((format(printf, 3, 4))) static bool fail(struct admin *admin, enum exit_status status,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(admin->error, sizeof admin->error, format, args);
    va_end(args);
    admin->status = status;
    return false;
}

/* Called about once a second, whatever happens: not 0 ends the request. */
static int look_around(void *context, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    (void)context, (void)down_all, (void)down, (void)up_all, (void)up;
    return interrupt_came();
}

enum exit_status admin_open(struct admin *admin, const struct arguments *arguments)
{
    *admin = (struct admin){.address = arguments_text(arguments, "admin")};
    long timeout_ms = (long)arguments_number(arguments, "timeout");
    const char *scheme = strstr(admin->address, "://") == NULL ? "http://" : "";
    int n = snprintf(admin->base, sizeof admin->base, "%s%s", scheme, admin->address);
    if ((size_t)n >= sizeof admin->base) {
        complain("--admin: the address is too long");
        return STATUS_USAGE;
    }
    admin->curl = curl_easy_init();
    if (admin->curl == NULL)
        return report_no_memory();
    curl_easy_setopt(admin->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(admin->curl, CURLOPT_PROXY, ""); /* the address is where the server is */
    curl_easy_setopt(admin->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(admin->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(admin->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(admin->curl, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_MS ? timeout_ms : (long)CONNECT_MS);
    curl_easy_setopt(admin->curl, CURLOPT_USERAGENT, "gradfold");
    curl_easy_setopt(admin->curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(admin->curl, CURLOPT_NOPROGRESS, 0L);
    return STATUS_DONE;
}

void admin_close(struct admin *admin)
{
    curl_easy_cleanup(admin->curl);
}

static size_t receive(char *bytes, size_t one, size_t n, void *context)
{
    struct blob *blob = context;
    (void)one; /* is 1 */
    if (blob->size + n > ANSWER_BYTES_MAX)
        return 0;
    char *grown = realloc(blob->bytes, blob->size + n + 1);
    if (grown == NULL)
        return 0;
    memcpy(grown + blob->size, bytes, n);
    blob->bytes = grown;
    blob->size += n;
    blob->bytes[blob->size] = '\0';
    return n;
}

static bool explain(struct admin *admin, CURLcode code, const char *text)
{
    const char *why = text[0] == '\0' ? curl_easy_strerror(code) : text;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return fail(admin, STATUS_UNREACHABLE, "%s: %s", admin->address, why);
    case CURLE_OPERATION_TIMEDOUT:
        return fail(admin, STATUS_TIMEOUT, "%s: %s", admin->address, why);
    case CURLE_ABORTED_BY_CALLBACK:
        return fail(admin, STATUS_INTERRUPTED, "%s: not waited for any longer", admin->address);
    case CURLE_URL_MALFORMAT:
        return fail(admin, STATUS_USAGE, "%s: expected HOST:PORT", admin->address);
    case CURLE_WRITE_ERROR:
        return fail(admin, STATUS_FAILED, "%s: the answer is larger than %d MiB", admin->address,
                    ANSWER_BYTES_MAX >> 20);
    default:
        return fail(admin, STATUS_FAILED, "%s: %s", admin->address, why);
    }
}

bool admin_get(struct admin *admin, const char *path, struct blob *blob)
{
    char url[2 * ADMIN_URL_MAX];
    char text[CURL_ERROR_SIZE] = "";
    long code = 0;
    *blob = (struct blob){0};
    int n = snprintf(url, sizeof url, "%s%s", admin->base, path);
    if ((size_t)n >= sizeof url)
        return fail(admin, STATUS_USAGE, "%.100s...: the name is too long", path);
    curl_easy_setopt(admin->curl, CURLOPT_URL, url);
    curl_easy_setopt(admin->curl, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(admin->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(admin->curl, CURLOPT_WRITEDATA, blob);
    CURLcode result = curl_easy_perform(admin->curl);
    curl_easy_getinfo(admin->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_setopt(admin->curl, CURLOPT_ERRORBUFFER, NULL);
    bool done = result == CURLE_OK && code == HTTP_OK && blob->bytes != NULL;
    if (result != CURLE_OK)
        explain(admin, result, text);
    else if (code == HTTP_NOT_FOUND && strncmp(path, "/v1/jobs/", 9) == 0)
        fail(admin, STATUS_FAILED, "NOT_FOUND: no such job");
    else if (!done)
        fail(admin, STATUS_FAILED, "%s: answered %s with HTTP status %ld", admin->address, path,
             code);
    if (!done)
        blob_free(blob);
    return done;
}

json_t *admin_get_json(struct admin *admin, const char *path)
{
    struct blob blob;
    json_error_t error;
    if (!admin_get(admin, path, &blob))
        return NULL;
    json_t *json = json_loadb(blob.bytes, blob.size, 0, &error);
    if (json == NULL)
        fail(admin, STATUS_FAILED, "%s: what it answered to %s is no JSON: %s", admin->address,
             path, error.text);
    blob_free(&blob);
    return json;
}

json_t *admin_get_job(struct admin *admin, const char *name)
{
    char path[ADMIN_URL_MAX];
    char *escaped = curl_easy_escape(admin->curl, name, 0);
    int n = escaped == NULL ? ADMIN_URL_MAX
                            : snprintf(path, sizeof path, "/v1/jobs/%s?nodes=0", escaped);
    curl_free(escaped);
    if ((size_t)n < sizeof path)
        return admin_get_json(admin, path);
    fail(admin, STATUS_FAILED, "NOT_FOUND: no such job");
    return NULL;
}

enum exit_status admin_complain(const struct admin *admin)
{
    complain("%s", admin->error);
    if (admin->status == STATUS_UNREACHABLE || admin->status == STATUS_USAGE)
        advise("is gradfoldd running there, with --admin? --admin or GRADFOLD_ADMIN says where");
    else if (admin->status == STATUS_TIMEOUT)
        advise("--timeout gives it longer");
    else if (strncmp(admin->error, "NOT_FOUND", 9) == 0)
        advise("gradfold status lists the jobs");
    else if (admin->status != STATUS_INTERRUPTED)
        advise("is that the --admin address of a gradfoldd?");
    return admin->status;
}
