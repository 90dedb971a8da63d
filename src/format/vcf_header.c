/* format/vcf_header.c - the header of a VCF object: that it is one, where it ends, how many columns its lines have, and
 * which INFO and FORMAT fields, contigs and samples it declares.
 *
 * Owns: nothing. May call: base. */
#include "format/vcf.h"

static bool starts(const uint8_t *data, size_t n, const char *with) {
  return n >= strlen(with) && memcmp(data, with, strlen(with)) == 0;
}

/* ---- what is no VCF -------------------------------------------------------------------------------------------- */

static mst_status refuse_other(const uint8_t *head, size_t n, mst_error *err) {
  static const struct {
    const char *magic, *what;
  } others[] = {
      {"BCF", "BCF, the binary form of VCF; make it VCF by: bcftools view"},
      {"PK\x03\x04", "a zip archive"},
      {"\x1f\x9d", "compressed by compress (.Z)"},
      {"BZh", "compressed by bzip2"},
      {"\xfd"
       "7zXZ",
       "compressed by xz"},
      {"\xff\xfe", "UTF-16 text"},
      {"\xfe\xff", "UTF-16 text"},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (starts(head, n, others[i].magic))
      return mst_fail_at(err, i == 0 ? MST_E_UNSUPPORTED : MST_E_CORRUPT, 0, "this is not VCF but %s", others[i].what);
  if (starts(head, n, "##fileformat=VCF")) return MST_OK;
  return mst_fail_at(err, MST_E_CORRUPT, 0, "this is not VCF: the first line is not ##fileformat=VCFv4.…");
}

/* ---- fields of a meta line ------------------------------------------------------------------------------------- */

typedef struct text_part {
  const uint8_t *data;
  size_t size;
} text_part;

/* The value of `key` in ID=…,Number=…,Description="…"; commas within quotes divide nothing. */
static bool meta_value(text_part list, const char *key, text_part *out) {
  size_t at = 0;
  while (at < list.size) {
    const size_t name = at;
    bool quoted = false;
    size_t equals;
    while (at < list.size && list.data[at] != '=' && list.data[at] != ',') at++;
    equals = at;
    for (; at < list.size && (quoted || list.data[at] != ','); at++) {
      if (list.data[at] == '\\' && quoted) at++;
      else if (list.data[at] == '"') quoted = !quoted;
    }
    at = mst_min_size(at, list.size);
    if (equals < at && equals - name == strlen(key) && memcmp(list.data + name, key, equals - name) == 0) {
      *out = (text_part){list.data + equals + 1, at - equals - 1};
      return true;
    }
    at++;
  }
  return false;
}

/* What stands between < and > of "##INFO=<…>". */
static bool meta_list(text_part line, const char *begin, text_part *out) {
  const size_t skip = strlen(begin);
  if (!starts(line.data, line.size, begin)) return false;
  *out = (text_part){line.data + skip, line.size - skip};
  if (out->size > 0 && out->data[out->size - 1] == '>') out->size--;
  return true;
}

static mst_status make_text(const mst_allocator *mem, text_part part, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  mst_buf_init(&text, mem, SIZE_MAX / 2);
  MST_TRY(mst_utf8_put(&text, part.data, part.size, err));
  MST_TRY_ALLOC(*out = json_stringn(mst_buf_text(&text), text.size));
done:
  mst_buf_free(&text);
  return status;
}

typedef struct header {
  const mst_allocator *mem;
  json_t *info, *format, *contigs, *samples;
  json_t *seen_info, *seen_format;
  uint64_t columns, bytes;
} header;

static void header_free(header *h) {
  json_decref(h->info);
  json_decref(h->format);
  json_decref(h->contigs);
  json_decref(h->samples);
  json_decref(h->seen_info);
  json_decref(h->seen_format);
}

/* [ID, Number, Type]; of fields declared twice the first counts. */
static mst_status add_field(const header *h, text_part list, json_t *fields, json_t *seen, mst_error *err) {
  static const char *const keys[] = {"ID", "Number", "Type"};
  mst_status status = MST_OK;
  json_t *row = json_array();
  text_part value;
  MST_TRY_ALLOC(row);
  for (size_t i = 0; i < 3; i++) {
    json_t *text = NULL;
    if (!meta_value(list, keys[i], &value))
      value = (text_part){(const uint8_t *)(i == 1 ? "." : "String"), i == 1 ? 1 : 6};
    if (i == 0 && !meta_value(list, "ID", &value)) goto done;
    MST_TRY(make_text(h->mem, value, &text, err));
    if (i == 0 && json_object_get(seen, json_string_value(text)) != NULL) {
      json_decref(text);
      goto done;
    }
    if (i == 0 && json_object_set_new(seen, json_string_value(text), json_true()) != 0) status = mst_fail_memory(err);
    if (json_array_append_new(row, text) != 0) status = mst_fail_memory(err);
    if (status != MST_OK) goto done;
  }
  if (json_array_append(fields, row) != 0) status = mst_fail_memory(err);
done:
  json_decref(row);
  return status;
}

static mst_status add_text(const header *h, text_part part, json_t *list, mst_error *err) {
  json_t *text = NULL;
  const mst_status status = make_text(h->mem, part, &text, err);
  if (status != MST_OK) return status;
  return json_array_append_new(list, text) == 0 ? MST_OK : mst_fail_memory(err);
}

static mst_status take_meta(const header *h, text_part line, mst_error *err) {
  text_part list, id;
  if (meta_list(line, "##INFO=<", &list)) return add_field(h, list, h->info, h->seen_info, err);
  if (meta_list(line, "##FORMAT=<", &list)) return add_field(h, list, h->format, h->seen_format, err);
  if (meta_list(line, "##contig=<", &list) && meta_value(list, "ID", &id)) return add_text(h, id, h->contigs, err);
  return MST_OK;
}

/* ---- the line #CHROM ------------------------------------------------------------------------------------------- */

static mst_status take_columns(header *h, text_part line, uint64_t at, mst_error *err) {
  static const char fixed[] = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";
  mst_status status = MST_OK;
  const uint8_t *p, *end = line.data + line.size, *tab;
  if (!starts(line.data, line.size, fixed) || (line.size > sizeof fixed - 1 && line.data[sizeof fixed - 1] != '\t'))
    return mst_fail_at(
        err, MST_E_CORRUPT, at,
        "the line #CHROM does not name the columns CHROM POS ID REF ALT QUAL FILTER INFO, divided by tabs");
  h->columns = MST_VCF_FIXED;
  for (p = line.data + sizeof fixed - 1; p < end; p = tab) {
    tab = memchr(p + 1, '\t', (size_t)(end - p - 1));
    if (tab == NULL) tab = end;
    h->columns++;
    if (h->columns > MST_VCF_FIXED + 1)
      MST_TRY(add_text(h, (text_part){p + 1, (size_t)(tab - p - 1)}, h->samples, err));
    else if (tab - p - 1 != 6 || memcmp(p + 1, "FORMAT", 6) != 0)
      return mst_fail_at(err, MST_E_CORRUPT, at, "the ninth column of the line #CHROM is not FORMAT");
  }
done:
  return status;
}

/* All lines up to and with #CHROM; h->bytes stays 0 when it is not there. */
static mst_status read_header(header *h, const uint8_t *data, size_t n, bool whole, mst_error *err) {
  mst_status status = MST_OK;
  for (size_t at = 0; at < n;) {
    const uint8_t *lf = memchr(data + at, '\n', n - at);
    const size_t end = lf == NULL ? n : (size_t)(lf - data);
    text_part line = {data + at, end - at};
    if (lf == NULL && !whole) return MST_OK;
    if (line.size > 0 && line.data[line.size - 1] == '\r') line.size--;
    if (memchr(line.data, 0, line.size) != NULL)
      return mst_fail_at(err, MST_E_CORRUPT, at, "a header line that holds a NUL byte");
    if (starts(line.data, line.size, "##")) {
      MST_TRY(take_meta(h, line, err));
    } else if (starts(line.data, line.size, "#CHROM")) {
      MST_TRY(take_columns(h, line, at, err));
      h->bytes = lf == NULL ? n : end + 1;
      return MST_OK;
    } else {
      return mst_fail_at(err, MST_E_CORRUPT, at, "a line that is no header line in front of the line #CHROM");
    }
    at = end + 1;
  }
  if (whole) return mst_fail_at(err, MST_E_CORRUPT, n, "the header has no line #CHROM");
done:
  return status;
}

static mst_status describe(const header *h, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *dialect = NULL;
  MST_TRY_ALLOC(dialect = json_object());
  MST_TRY(mst_json_set_u64(dialect, "columns", h->columns, err));
  MST_TRY(mst_json_set_u64(dialect, "header_bytes", h->bytes, err));
  MST_TRY(mst_json_set(dialect, "long_info", json_incref(h->info), err));
  MST_TRY(mst_json_set(dialect, "long_format", json_incref(h->format), err));
  MST_TRY(mst_json_set(dialect, "long_contigs", json_incref(h->contigs), err));
  MST_TRY(mst_json_set(dialect, "long_samples", json_incref(h->samples), err));
  *out = dialect;
  dialect = NULL;
done:
  json_decref(dialect);
  return status;
}

mst_status mst_vcf_sniff(const mst_job *job, const uint8_t *head, size_t n, bool whole, json_t **dialect,
                         uint64_t *want, mst_error *err) {
  mst_status status = MST_OK;
  header h = {.mem = job->mem,
              .info = json_array(),
              .format = json_array(),
              .contigs = json_array(),
              .samples = json_array(),
              .seen_info = json_object(),
              .seen_format = json_object()};
  if (h.info == NULL || h.format == NULL || h.contigs == NULL || h.samples == NULL || h.seen_info == NULL ||
      h.seen_format == NULL)
    status = mst_fail_memory(err);
  if (status == MST_OK) status = refuse_other(head, n, err);
  if (status == MST_OK) status = read_header(&h, head, n, whole, err);
  if (status == MST_OK && h.bytes > 0) status = describe(&h, dialect, err);
  else if (status == MST_OK) *want = (uint64_t)n * 4 + 4096;
  header_free(&h);
  return status;
}
