/* format/format.c - the registry of built-in formats, how an object's format is found, and the calls on machines.
 *
 * Owns: the list of formats. May call: base, the containers (to look through them). */
#include "format/format.h"

#include "format/container.h"
#include "format/parquet_format.h"
#include "format/records.h"

static const mst_record_ops *const record_formats[] = {&mst_records_csv,  &mst_records_fasta, &mst_records_fastq,
                                                       &mst_records_text, &mst_records_vcf,   NULL};

static const mst_format *const formats[] = {&mst_format_csv,
                                            &mst_format_fasta,
                                            &mst_format_fastq,
                                            &mst_format_parquet,
                                            &mst_format_text,
                                            &mst_format_vcf,
                                            NULL};

mst_status mst_machine_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  memset(out, 0, sizeof *out);
  return m->ops->step(m, given, out, err);
}

void mst_machine_close(mst_machine *m) {
  if (m != NULL) m->ops->close(m);
}

const mst_format *const *mst_formats(void) { return formats; }

const mst_format *mst_format_find(const char *name) {
  for (const mst_format *const *f = formats; *f != NULL; f++)
    if (mst_text_equal((*f)->name, name)) return *f;
  return NULL;
}

const mst_record_ops *mst_record_ops_find(const char *name) {
  for (const mst_record_ops *const *r = record_formats; *r != NULL; r++)
    if (mst_text_equal((*r)->format->name, name)) return *r;
  return NULL;
}

/* ---- finding the format of an object -------------------------------------------------------------------------- */

enum {
  NAME_MAX_KEPT = 1024,  /* of a name's last part; longer ones are matched by their end                      */
  PEEK_BYTES = 64 << 10, /* plain bytes that probes look at                                                  */
  LIKELY = 10,           /* a probe's answer below this is no answer                                          */
  BY_NAME = 30           /* what a fitting name adds: it decides between formats whose bytes fit equally      */
};

static const char *const wrappings[] = {".gz", ".bgz", ".bgzf", ".zst", ".zstd", NULL};

/* The last part of the name in lower case (ASCII), without the ending of a container when `unwrap`. */
static void plain_name(const char *name, bool unwrap, char out[NAME_MAX_KEPT]) {
  const char *last = strrchr(name, '/');
  size_t n;
  last = last == NULL ? name : last + 1;
  n = strlen(last);
  if (n >= NAME_MAX_KEPT) {
    last += n - (NAME_MAX_KEPT - 1);
    n = NAME_MAX_KEPT - 1;
  }
  for (size_t i = 0; i < n; i++) out[i] = (char)(last[i] >= 'A' && last[i] <= 'Z' ? last[i] + ('a' - 'A') : last[i]);
  out[n] = '\0';
  for (const char *const *w = wrappings; unwrap && *w != NULL; w++)
    if (mst_text_ends(out, *w) && n > strlen(*w)) {
      out[n - strlen(*w)] = '\0';
      return;
    }
}

static bool name_fits(const mst_format *f, const char *name) {
  for (const char *const *glob = f->globs; glob != NULL && *glob != NULL; glob++)
    if (mst_glob_match(*glob, name)) return true;
  return false;
}

static int certainty(const mst_format *f, const char *name, uint64_t size, const uint8_t *head, size_t n) {
  const int by_bytes = f->probe == NULL ? 0 : f->probe(name, size, head, n);
  if (by_bytes <= 0) return 0;
  return by_bytes + (name_fits(f, name) ? BY_NAME : 0);
}

const mst_format *mst_format_detect(const mst_allocator *mem, const char *name, uint64_t size, const uint8_t *head,
                                    size_t n, const char **why) {
  const mst_container_ops *container = mst_container_detect(head, n);
  const bool wrapped = container != &mst_container_plain;
  const mst_format *best = NULL;
  int best_certainty = LIKELY - 1;
  char raw_name[NAME_MAX_KEPT], text_name[NAME_MAX_KEPT];
  mst_buf plain;
  mst_buf_init(&plain, mem, PEEK_BYTES);
  plain_name(name, false, raw_name);
  plain_name(name, true, text_name);
  if (wrapped) (void)mst_container_peek(mem, head, n, PEEK_BYTES, &plain, NULL);
  for (const mst_format *const *f = formats; *f != NULL; f++) {
    const bool text_like = ((*f)->flags & MST_FORMAT_TEXT_LIKE) != 0;
    const int c = text_like && wrapped ? certainty(*f, text_name, UINT64_MAX, plain.data, plain.size)
                                       : certainty(*f, text_like ? text_name : raw_name, size, head, n);
    if (c > best_certainty) {
      best = *f;
      best_certainty = c;
    }
  }
  /* A name that promises a container whose bytes are not there: the format that it names will say so. */
  for (const mst_format *const *f = formats; best == NULL && !wrapped && *f != NULL; f++)
    if (strcmp(raw_name, text_name) != 0 && ((*f)->flags & MST_FORMAT_TEXT_LIKE) != 0 && name_fits(*f, text_name))
      best = *f;
  if (best == NULL && why != NULL)
    *why = size == 0                    ? "it is empty and its name says nothing"
           : wrapped && plain.size == 0 ? "it is compressed, but its first bytes do not decode"
           : wrapped                    ? "its decompressed bytes are neither text nor a known binary format"
                                        : "its first bytes are neither text nor a known binary format";
  mst_buf_free(&plain);
  return best;
}
