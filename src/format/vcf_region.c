/* format/vcf_region.c - the text of regions, and where a region is cut into parts of equal weight.
 *
 * Owns: nothing between calls. May call: base. */
#include "format/vcf_region.h"

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* Digits, perhaps grouped by commas, at *p; false when there are none or too many. */
static bool read_position(const char **p, const char *end, uint64_t *out) {
  uint64_t v = 0;
  const char *const begin = *p;
  for (; *p < end && ((**p >= '0' && **p <= '9') || **p == ','); ++*p) {
    if (**p == ',') continue;
    v = v * 10 + (uint64_t)(**p - '0');
    if (v > MST_VCF_LAST) return false;
  }
  *out = v;
  return *p > begin && *begin != ',';
}

/* "from", "from-" or "from-to". */
static bool read_range(const char *p, const char *end, uint64_t *first, uint64_t *last) {
  *last = MST_VCF_LAST;
  if (!read_position(&p, end, first)) return false;
  if (p == end) return true;
  if (*p++ != '-') return false;
  return p == end || (read_position(&p, end, last) && p == end);
}

static mst_status set_region(const mst_allocator *mem, const char *name, size_t size, uint64_t first, uint64_t last,
                             const char *text, size_t n, mst_vcf_region *out, mst_error *err) {
  if (first == 0 || first > last)
    return mst_fail(err, MST_E_ARGUMENT,
                    "region \"%.*s\": positions count from 1, and the first must not lie behind the last",
                    (int)mst_min_size(n, 200), text);
  out->contig = mst_text_copy_n(mem, name, size);
  if (out->contig == NULL) return mst_fail_memory(err);
  out->first = first;
  out->last = last;
  return MST_OK;
}

static mst_status parse_one(const mst_allocator *mem, const char *text, size_t n, mst_vcf_known_fn known,
                            const void *arg, mst_vcf_region *out, mst_error *err) {
  const char *const end = text + n, *colon = end;
  const int shown = (int)mst_min_size(n, 200);
  uint64_t first = 1, last = MST_VCF_LAST;
  bool whole, divided = false;
  if (text[0] == '{') {
    const char *brace = memchr(text, '}', n);
    if (brace == NULL || (brace + 1 < end && (brace[1] != ':' || !read_range(brace + 2, end, &first, &last))))
      return mst_fail(err, MST_E_ARGUMENT, "region \"%.*s\" is not {name} or {name}:from-to", shown, text);
    if (!known(arg, text + 1, (size_t)(brace - text - 1))) goto unknown;
    return set_region(mem, text + 1, (size_t)(brace - text - 1), first, last, text, n, out, err);
  }
  whole = known(arg, text, n);
  while (colon > text && colon[-1] != ':') colon--;
  if (colon > text) divided = read_range(colon, end, &first, &last) && known(arg, text, (size_t)(colon - text - 1));
  if (whole && divided)
    return mst_fail(err, MST_E_ARGUMENT,
                    "region \"%.*s\" is a contig's name and a range of another: write {name} or {name}:from-to", shown,
                    text);
  if (whole) return set_region(mem, text, n, 1, MST_VCF_LAST, text, n, out, err);
  if (divided) return set_region(mem, text, (size_t)(colon - text - 1), first, last, text, n, out, err);
unknown:
  return mst_fail(err, MST_E_NOT_FOUND, "region \"%.*s\": no such contig in the header or among the data lines", shown,
                  text);
}

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void mst_vcf_regions_free(const mst_allocator *mem, mst_vcf_region *regions, size_t n) {
  for (size_t i = 0; regions != NULL && i < n; i++) mst_free(mem, regions[i].contig);
  mst_free(mem, regions);
}

mst_status mst_vcf_regions_parse(const mst_allocator *mem, const char *text, mst_vcf_known_fn known, const void *arg,
                                 mst_vcf_region **out, size_t *n, mst_error *err) {
  mst_status status = MST_OK;
  mst_vcf_region *regions = NULL;
  size_t count = 0, words = 0;
  for (const char *p = text; *p != 0; p++) words += !blank(*p) && (p == text || blank(p[-1]));
  if (words == 0) return mst_fail(err, MST_E_ARGUMENT, "the region is empty");
  MST_TRY_ALLOC(regions = mst_alloc_zero(mem, words, sizeof *regions));
  for (const char *p = text; *p != 0;) {
    const char *end;
    while (blank(*p)) p++;
    for (end = p; *end != 0 && !blank(*end);) end++;
    if (end == p) break;
    MST_TRY(parse_one(mem, p, (size_t)(end - p), known, arg, &regions[count], err));
    count++;
    p = end;
  }
  *out = regions;
  *n = count;
  regions = NULL;
done:
  mst_vcf_regions_free(mem, regions, count);
  return status;
}

/* ---- cutting --------------------------------------------------------------------------------------------------- */

size_t mst_vcf_cut(const mst_vcf_weight *marks, size_t n_marks, uint64_t n, uint64_t *begins) {
  const uint64_t total = n_marks > 1 ? marks[n_marks - 1].weight - marks[0].weight : 0;
  size_t k = 1, count = 0;
  for (uint64_t i = 1; i < n && total > 0; i++) {
    const uint64_t wanted = marks[0].weight + (uint64_t)((unsigned __int128)total * i / n);
    const mst_vcf_weight *a, *b;
    uint64_t position;
    while (k + 1 < n_marks && marks[k].weight <= wanted) k++;
    a = &marks[k - 1];
    b = &marks[k];
    position = a->position;
    if (b->weight > a->weight)
      position +=
          (uint64_t)((unsigned __int128)(b->position - a->position) * (wanted - a->weight) / (b->weight - a->weight));
    if (position > (count > 0 ? begins[count - 1] : marks[0].position) && position < marks[n_marks - 1].position)
      begins[count++] = position;
  }
  return count;
}
