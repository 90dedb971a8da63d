/* format/vcf_fields.c - see vcf_fields.h. May call: base, column. */
#include "format/vcf_fields.h"

#include "base/base.h"

/* ---- declaration ----------------------------------------------------------------------------------------------- */

mst_status mst_vcf_field_init(mst_vcf_field *f, const mst_allocator *mem, const json_t *declared, bool sample,
                              mst_error *err) {
  const json_t *id = json_array_get(declared, 0);
  const char *number = json_string_value(json_array_get(declared, 1)),
             *type = json_string_value(json_array_get(declared, 2));
  if (!json_is_string(id) || number == NULL || type == NULL)
    return mst_fail(err, MST_E_CORRUPT, "a field of the VCF dialect is not [ID, Number, Type]");
  *f = (mst_vcf_field){.mem = mem, .id = json_string_value(id), .id_size = json_string_length(id), .narrow = sample};
  f->kind = strcmp(type, "Integer") == 0 ? MST_VCF_INTEGER
            : strcmp(type, "Float") == 0 ? MST_VCF_FLOAT
            : strcmp(type, "Flag") == 0  ? MST_VCF_FLAG
                                         : MST_VCF_TEXT;
  if (strcmp(number, "0") == 0) f->kind = MST_VCF_FLAG;
  if (sample && f->kind == MST_VCF_FLAG) f->kind = MST_VCF_TEXT;
  f->list = f->kind != MST_VCF_FLAG && strcmp(number, "1") != 0;
  f->packed = sample && f->kind == MST_VCF_TEXT && !f->list;
  return MST_OK;
}

void mst_vcf_field_free(mst_vcf_field *f) {
  mst_free(f->mem, f->values);
  mst_free(f->mem, f->valid);
  mst_free(f->mem, f->spans);
  mst_free(f->mem, f->bytes);
  mst_free(f->mem, f->text_ends);
  mst_free(f->mem, f->ends);
  mst_free(f->mem, f->lists_valid);
}

void mst_vcf_field_schema(const mst_vcf_field *f, mst_field *item, mst_field *out) {
  static const char *const formats[] = {
      [MST_VCF_INTEGER] = "l", [MST_VCF_FLOAT] = "g", [MST_VCF_TEXT] = "u", [MST_VCF_FLAG] = "b"};
  const char *format = f->kind == MST_VCF_INTEGER && f->narrow ? "i" : formats[f->kind];
  *item = (mst_field){.name = "item", .format = format, .nullable = true};
  *out = f->list ? (mst_field){.name = f->id, .format = "+l", .nullable = true, .children = item, .n_children = 1}
                 : (mst_field){.name = f->id, .format = format, .nullable = f->kind != MST_VCF_FLAG};
}

void mst_vcf_field_use(mst_vcf_field *f, mst_builder *b) {
  f->lists = f->list ? b : NULL;
  f->leaf = f->list ? mst_builder_child(b, 0) : b;
}

/* ---- gathering ------------------------------------------------------------------------------------------------- */

static mst_status grow(const mst_allocator *mem, void **block, size_t room, size_t width, mst_error *err) {
  size_t size;
  void *more = mst_mul_size(room, width, &size) ? mst_resize(mem, *block, size) : NULL;
  if (more == NULL) return mst_fail_memory(err);
  *block = more;
  return MST_OK;
}

static mst_status room_for_values(mst_vcf_field *f, size_t more, mst_error *err) {
  mst_status status = MST_OK;
  const size_t room = mst_max_size(f->n + more, f->room * 2);
  if (f->room - f->n >= more) return MST_OK;
  MST_TRY(grow(f->mem, (void **)&f->valid, room, 1, err));
  if (f->packed) MST_TRY(grow(f->mem, (void **)&f->text_ends, room, sizeof *f->text_ends, err));
  else if (f->kind == MST_VCF_TEXT) MST_TRY(grow(f->mem, (void **)&f->spans, room, sizeof *f->spans, err));
  else MST_TRY(grow(f->mem, &f->values, room, 8, err));
  f->room = room;
done:
  return status;
}

static mst_status room_for_lists(mst_vcf_field *f, size_t more, mst_error *err) {
  mst_status status = MST_OK;
  const size_t room = mst_max_size(f->n_lists + more, f->lists_room * 2);
  if (f->lists_room - f->n_lists >= more) return MST_OK;
  MST_TRY(grow(f->mem, (void **)&f->ends, room, sizeof *f->ends, err));
  MST_TRY(grow(f->mem, (void **)&f->lists_valid, room, 1, err));
  f->lists_room = room;
done:
  return status;
}

mst_status mst_vcf_field_room(mst_vcf_field *f, size_t more, mst_error *err) {
  return f->list ? room_for_lists(f, more, err) : room_for_values(f, more, err);
}

mst_status mst_vcf_field_bytes(mst_vcf_field *f, size_t more, mst_error *err) {
  mst_status status = MST_OK;
  const size_t room = mst_max_size(f->n_bytes + more + 16, f->bytes_room * 2);
  if (f->bytes_room >= f->n_bytes + more + 16) return MST_OK;
  if (room > UINT32_MAX)
    return mst_fail(err, MST_E_LIMIT, "the samples of a few lines hold more than 4 GiB in one field");
  MST_TRY(grow(f->mem, (void **)&f->bytes, room, 1, err));
  f->bytes_room = room;
done:
  return status;
}

/* Room was made. */
static inline void put_null(mst_vcf_field *f) {
  f->valid[f->n] = 0;
  if (f->packed) f->text_ends[f->n] = (uint32_t)f->n_bytes;
  else if (f->kind == MST_VCF_TEXT) f->spans[f->n] = (mst_span){0};
  else if (f->kind == MST_VCF_FLAG) ((uint8_t *)f->values)[f->n] = 0;
  else if (f->kind == MST_VCF_INTEGER && f->narrow) ((int32_t *)f->values)[f->n] = 0;
  else ((int64_t *)f->values)[f->n] = 0;
  f->n++;
}

/* One value, room for which was made; false when it is not of the type. */
static inline bool put_value(mst_vcf_field *f, const uint8_t *text, size_t n) {
  int64_t whole;
  double real;
  if (n == 0 || (n == 1 && text[0] == '.')) {
    put_null(f);
    return true;
  }
  switch (f->kind) {
  case MST_VCF_INTEGER:
    if (!mst_number_i64_inline((const char *)text, n, &whole)) return false;
    if (f->narrow && (whole < INT32_MIN || whole > INT32_MAX)) return false;
    if (f->narrow) ((int32_t *)f->values)[f->n] = (int32_t)whole;
    else ((int64_t *)f->values)[f->n] = whole;
    break;
  case MST_VCF_FLOAT:
    if (!mst_number_f64((const char *)text, n, &real)) return false;
    ((double *)f->values)[f->n] = real;
    break;
  default: f->spans[f->n] = (mst_span){text, n}; break;
  }
  f->valid[f->n++] = 1;
  return true;
}

static inline void end_list(mst_vcf_field *f, bool valid) {
  f->ends[f->n_lists] = f->n;
  f->lists_valid[f->n_lists++] = valid;
}

mst_status mst_vcf_field_null(mst_vcf_field *f, mst_error *err) {
  const mst_status status = mst_vcf_field_room(f, 1, err);
  if (status != MST_OK) return status;
  if (f->list) end_list(f, false);
  else put_null(f);
  return MST_OK;
}

static mst_status add_list(mst_vcf_field *f, const uint8_t *text, size_t n, bool *fits, mst_error *err) {
  const uint8_t *const end = text + n, *p = text;
  const size_t before = f->n;
  mst_status status = MST_OK;
  MST_TRY(room_for_lists(f, 1, err));
  if (n == 0 || (n == 1 && text[0] == '.')) {
    end_list(f, false);
    return MST_OK;
  }
  for (;;) {
    const uint8_t *stop = p;
    while (stop < end && *stop != ',') stop++;
    if (f->n == f->room) MST_TRY(room_for_values(f, 1, err));
    if (!put_value(f, p, (size_t)(stop - p))) {
      f->n = before;
      end_list(f, false);
      *fits = false;
      return MST_OK;
    }
    if (stop == end) break;
    p = stop + 1;
  }
  end_list(f, true);
done:
  return status;
}

mst_status mst_vcf_field_add(mst_vcf_field *f, const uint8_t *text, size_t n, bool *fits, mst_error *err) {
  *fits = true;
  if (f->list) return add_list(f, text, n, fits, err);
  if (f->n == f->room) {
    const mst_status status = room_for_values(f, 1, err);
    if (status != MST_OK) return status;
  }
  if (!put_value(f, text, n)) {
    put_null(f);
    *fits = false;
  }
  return MST_OK;
}

mst_status mst_vcf_field_flag(mst_vcf_field *f, bool there, mst_error *err) {
  const mst_status status = room_for_values(f, 1, err);
  if (status != MST_OK) return status;
  ((uint8_t *)f->values)[f->n] = there;
  f->valid[f->n++] = 1;
  return MST_OK;
}

mst_status mst_vcf_field_flush(mst_vcf_field *f, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t before = mst_builder_length(f->leaf);
  if (f->packed) MST_TRY(mst_builder_texts(f->leaf, f->bytes, f->text_ends, f->valid, f->n, err));
  else if (f->kind == MST_VCF_TEXT) MST_TRY(mst_builder_spans(f->leaf, f->spans, f->n, err));
  else MST_TRY(mst_builder_values(f->leaf, f->values, f->kind == MST_VCF_FLAG ? NULL : f->valid, f->n, err));
  if (f->list) {
    for (size_t i = 0; i < f->n_lists; i++) f->ends[i] += before;
    MST_TRY(mst_builder_lists(f->lists, f->ends, f->lists_valid, f->n_lists, err));
  }
  f->n = f->n_lists = f->n_bytes = 0;
done:
  return status;
}
