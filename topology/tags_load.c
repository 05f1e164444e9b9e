/* tags_load.c - reading Azure's published service-tag file.
 *
 * The file is read whole into a scratch arena (it has 5 MB), decompressed there if it begins with the magic
 * number of xz or is named so, parsed by jansson, and copied into the set; scratch and JSON tree are gone
 * afterwards. Sizes are bounded so that a file that is not what it claims, or a decompression bomb, ends in a
 * message.
 *
 * jansson keeps positions for syntax errors only: what is wrong with the content is told by tag name and
 * index. Reference: "The .xz file format" 1.0.4; "Service tags: download JSON files". */
#include "topology/tags.h"

#include <errno.h>
#include <jansson.h>
#include <lzma.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "topology/tags_int.h"

#define TEXT_LIMIT ((size_t)256 << 20)   /* bytes of file and of JSON text */
#define XZ_MEMORY  ((uint64_t)128 << 20) /* bytes for the decoder; xz -9 asks for 65 MiB */
#define CHUNK      ((size_t)64 << 10)

struct load {
    struct arena *scratch;
    struct tagset *set;
    const char *path;
    char *err;
    size_t errlen;
};

struct bytes {
    char *at;
    size_t n, cap;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct load *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(l->err, l->errlen, "%s", l->path);
    if (n >= 0 && (size_t)n < l->errlen)
        vsnprintf(l->err + n, l->errlen - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

/* => room for at least CHUNK more bytes at the end of b. */
static char *room(struct arena *scratch, struct bytes *b)
{
    if (b->cap - b->n < CHUNK) {
        size_t cap = b->cap ? b->cap * 2 : 8 * CHUNK;
        char *bigger = arena_alloc(scratch, cap);
        if (b->n)
            memcpy(bigger, b->at, b->n);
        b->at = bigger;
        b->cap = cap;
    }
    return b->at + b->n;
}

static bool read_file(const struct load *l, struct bytes *b)
{
    FILE *f = fopen(l->path, "rb");
    if (!f)
        return fail(l, ": cannot open: %s", strerror(errno));
    size_t got;
    do {
        got = fread(room(l->scratch, b), 1, CHUNK, f);
        b->n += got;
    } while (got == CHUNK && b->n <= TEXT_LIMIT);
    int error = ferror(f) ? errno : 0;
    fclose(f);
    if (error)
        return fail(l, ": cannot read: %s", strerror(error));
    if (b->n > TEXT_LIMIT)
        return fail(l, ": larger than %zu MiB, not a service-tag file", TEXT_LIMIT >> 20);
    return true;
}

/* -- xz ------------------------------------------------------------------------------------------------ */

static bool is_xz(const char *path, const struct bytes *b)
{
    static const char magic[6] = {(char)0xfd, '7', 'z', 'X', 'Z', '\0'};
    size_t n = strlen(path);
    return (b->n >= sizeof magic && !memcmp(b->at, magic, sizeof magic)) ||
           (n > 3 && !strcmp(path + n - 3, ".xz"));
}

static const char *xz_message(lzma_ret rc)
{
    if (rc == LZMA_BUF_ERROR)
        return "the compressed file is truncated";
    if (rc == LZMA_FORMAT_ERROR)
        return "not an xz file";
    if (rc == LZMA_MEMLIMIT_ERROR)
        return "decompressing needs too much memory";
    return "the compressed file is damaged";
}

static bool unxz(const struct load *l, const struct bytes *in, struct bytes *out)
{
    lzma_stream z = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&z, XZ_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
        arena_oom("xz decoder");
    z.next_in = (const uint8_t *)in->at;
    z.avail_in = in->n;
    lzma_ret rc = LZMA_OK;
    while (rc == LZMA_OK && out->n <= TEXT_LIMIT) {
        z.next_out = (uint8_t *)room(l->scratch, out);
        z.avail_out = CHUNK;
        rc = lzma_code(&z, LZMA_FINISH);
        out->n += CHUNK - z.avail_out;
    }
    lzma_end(&z);
    if (out->n > TEXT_LIMIT)
        return fail(l, ": decompresses to more than %zu MiB, not a service-tag file", TEXT_LIMIT >> 20);
    return rc == LZMA_STREAM_END || fail(l, ": %s", xz_message(rc));
}

/* -- JSON ---------------------------------------------------------------------------------------------- */

static bool read_features(const struct load *l, const char *tag, const json_t *list, unsigned *out)
{
    *out = 0;
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list))
        return fail(l, ": tag %s: networkFeatures is not a list", tag);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        *out |= name ? tags_feature(name) : 0;
    }
    return true;
}

static bool read_prefixes(const struct load *l, const char *tag, struct tag_entry *e, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        const char *wrong = text ? tags_prefix(l->set, e, text) : "not a text";
        if (wrong)
            return fail(l, ": tag %s: addressPrefixes[%zu]%s%s%s: %s", tag, i, text ? " '" : "",
                        text ? text : "", text ? "'" : "", wrong);
    }
    return true;
}

static bool read_tag(const struct load *l, size_t i, const json_t *value)
{
    const char *name = json_string_value(json_object_get(value, "name"));
    if (!name)
        return fail(l, ": values[%zu] has no name", i);
    const json_t *properties = json_object_get(value, "properties");
    const json_t *prefixes = json_object_get(properties, "addressPrefixes");
    if (!json_is_array(prefixes))
        return fail(l, ": tag %s has no list properties.addressPrefixes", name);
    unsigned features;
    if (!read_features(l, name, json_object_get(properties, "networkFeatures"), &features))
        return false;
    const char *system = json_string_value(json_object_get(properties, "systemService"));
    if (tags_entry(l->set, name))
        return fail(l, ": values[%zu]: there is a tag %s already", i, name);
    if (tag_is_computed(name))
        return true; /* never from a list, G-09 to G-11 */
    struct tag_entry *e = tags_add(l->set, name, system ? system : "", features, json_array_size(prefixes));
    if (!e)
        return fail(l, ": values[%zu]: the name is empty or longer than %d characters", i,
                    TAG_NAME_LIMIT - 1);
    return read_prefixes(l, name, e, prefixes);
}

static bool read_root(const struct load *l, struct arena *a, const json_t *root)
{
    const json_t *values = json_object_get(root, "values");
    if (!json_is_array(values))
        return fail(l, ": no list 'values': not a service-tag file");
    const char *cloud = json_string_value(json_object_get(root, "cloud"));
    if (cloud)
        l->set->cloud = arena_strdup(a, cloud);
    l->set->change = json_integer_value(json_object_get(root, "changeNumber"));
    for (size_t i = 0; i < json_array_size(values); i++)
        if (!read_tag(l, i, json_array_get(values, i)))
            return false;
    return true;
}

static bool read_text(const struct load *l, struct arena *a, const struct bytes *text)
{
    size_t bom = text->n >= 3 && !memcmp(text->at, "\xef\xbb\xbf", 3) ? 3 : 0;
    json_error_t error;
    json_t *root = json_loadb(text->at + bom, text->n - bom, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fail(l, ":%d:%d: %s", error.line, error.column, error.text);
    bool ok = read_root(l, a, root);
    json_decref(root);
    return ok;
}

struct tagset *tagset_load(struct arena *a, const char *path, char *err, size_t errlen)
{
    struct load l = {.scratch = arena_new("service-tag file"), .path = path, .err = err, .errlen = errlen};
    l.set = tags_new(a, arena_strdup(a, path));
    struct bytes file = {0}, text = {0};
    bool ok = read_file(&l, &file);
    if (ok && is_xz(path, &file)) {
        ok = unxz(&l, &file, &text);
    } else {
        text = file;
    }
    ok = ok && read_text(&l, a, &text);
    arena_free(l.scratch);
    return ok ? tags_finish(l.set) : NULL;
}
