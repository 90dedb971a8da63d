/* meseta/slice.h - a small, self-sufficient, serialisable piece of a source: JSON of at most 1 KB beyond its URLs, read lazily
 * anywhere. It holds pins, never a credential (docs/specification/slice.md). */
#ifndef MESETA_SLICE_H
#define MESETA_SLICE_H

#include <meseta/arrow_abi.h>
#include <meseta/bytes.h>
#include <meseta/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Shared and immutable; may be read from many threads at once. */
typedef struct mst_slice mst_slice;
#define MST_UNKNOWN UINT64_MAX

/* `text` is hostile: every field is checked, nothing is fetched. `config`: this process's own storage options. Credentials go to an
 * endpoint that only the slice names never; to one that this process's own configuration names too, as usual. */
MST_API mst_status mst_slice_parse(mst_context *ctx, const void *text, size_t size, const mst_pair *config, size_t n_config, mst_slice **out, mst_error *err);
MST_API mst_slice *mst_slice_ref(mst_slice *s);
MST_API void mst_slice_unref(mst_slice *s);

/* Borrowed for the life of the slice. The JSON is one line, the same for equal slices. */
MST_API const char *mst_slice_get_json(const mst_slice *s);
MST_API const char *mst_slice_get_url(const mst_slice *s);
MST_API const char *mst_slice_get_format(const mst_slice *s);
MST_API uint64_t mst_slice_get_records(const mst_slice *s); /* MST_UNKNOWN where the index does not tell */
MST_API uint64_t mst_slice_get_bytes(const mst_slice *s);   /* plain bytes; MST_UNKNOWN where the index does not tell */
/* What a format says of this slice beyond that, as a JSON object: {"record": "chr1", "offset": 1000} for a FASTA slice that begins
 * inside a sequence. May read at most one span. */
MST_API mst_status mst_slice_describe(mst_slice *s, mst_bytes *out, mst_cancel *cancel, mst_error *err);

typedef struct mst_read_options {
  size_t struct_size;
  const char *options_json;   /* arrow: {"info": true, "genotypes": false, "schema": …}; NULL: defaults          */
  uint64_t batch_rows;        /* arrow: rows a batch at most; 0: the format's own                                */
  uint64_t memory;            /* bytes; 0: the context's budget                                                  */
  uint32_t header;            /* raw: not 0: repeat the header of the source in front                            */
  uint32_t recover;           /* not 0: give the whole records in front of damage, then the error that names it  */
} mst_read_options;
#define MST_READ_OPTIONS_INIT {.struct_size = sizeof(mst_read_options)}

/* The slice's content as bytes, in one piece. Text-like: exactly its part of the plain (decompressed) object. */
MST_API mst_status mst_slice_read(mst_slice *s, const mst_read_options *options, mst_bytes *out, mst_cancel *cancel, mst_error *err);

/* The same in order, in pieces of the reader's choosing, in bounded memory; [owned]. What was read is final only when the end
 * (an empty piece) was reached: checksums are compared there. */
typedef struct mst_reader mst_reader;
MST_API mst_status mst_slice_open(mst_slice *s, const mst_read_options *options, mst_reader **out, mst_cancel *cancel, mst_error *err);
MST_API mst_status mst_reader_next(mst_reader *r, mst_bytes *out, mst_error *err);
MST_API void mst_reader_free(mst_reader *r);

/* The slice's records as an Arrow stream. After a failed call on it, mst_stream_get_error tells all. */
MST_API mst_status mst_slice_stream(mst_slice *s, const mst_read_options *options, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err);
/* true and a copy of the error when `stream` is one of ours and its last call failed. */
MST_API bool mst_stream_get_error(const struct ArrowArrayStream *stream, mst_error *out);

#ifdef __cplusplus
}
#endif
#endif
