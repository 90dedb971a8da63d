# The public C headers, as far as the package uses them.
from cpython.object cimport PyObject
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "meseta/meseta.h" nogil:
    ctypedef int mst_status
    int MST_OK
    int MST_E_CANCELLED
    int MST_E_INTERNAL
    ctypedef struct mst_error:
        mst_status status
        bint retryable
        int16_t http_status
        int32_t os_errno
        int64_t offset
        char request_id[64]
        char object[320]
        char message[832]
    ctypedef struct mst_bytes:
        const uint8_t *data
        size_t size
        void *owner
    ctypedef struct mst_pair:
        const char *key
        const char *value
    ctypedef struct mst_context
    ctypedef struct mst_cancel
    ctypedef struct mst_source
    ctypedef struct mst_plan
    ctypedef struct mst_slice
    ctypedef struct mst_reader
    ctypedef struct mst_context_options:
        size_t struct_size
        uint64_t memory_bytes_max
        uint32_t cpu_threads
    ctypedef struct mst_source_options:
        size_t struct_size
        const char *format
        const char *index_at
        const char *dialect_json
        const mst_pair *config
        size_t n_config
        uint32_t allow_unpinned
    ctypedef struct mst_index_options:
        size_t struct_size
        uint64_t spacing
        uint64_t piece_bytes
        void (*progress)(void *, uint64_t, uint64_t) noexcept nogil
        void *progress_arg
        uint32_t threads
        uint32_t force
        uint32_t dry_run
        uint32_t recover
    ctypedef struct mst_verify_options:
        size_t struct_size
        void (*progress)(void *, uint64_t, uint64_t) noexcept nogil
        void *progress_arg
        uint32_t threads
        uint32_t recover
    ctypedef struct mst_query:
        size_t struct_size
        uint64_t slices
        uint64_t slice_bytes
        uint64_t slice_records
        const char *strategy
        const char *region
        const char *where
        const char *options_json
    ctypedef struct mst_read_options:
        size_t struct_size
        const char *options_json
        uint64_t batch_rows
        uint64_t memory
        uint32_t header
        uint32_t recover
    ctypedef struct mst_object_info:
        const char *key
        uint64_t size
        int64_t modified_us
        const char *etag
        bint is_prefix
    uint64_t MST_UNKNOWN
    int MST_FIND_RECURSIVE
    int MST_FIND_SOURCES

    const char *mst_version()
    const char *mst_status_name(mst_status)
    void mst_bytes_release(mst_bytes *)
    mst_status mst_context_open(const mst_context_options *, mst_context **, mst_error *)
    void mst_context_unref(mst_context *)
    mst_cancel *mst_cancel_new(mst_context *)
    void mst_cancel_request(mst_cancel *)
    void mst_cancel_unref(mst_cancel *)
    mst_status mst_describe(mst_context *, const char *, mst_bytes *, mst_error *)

    mst_status mst_source_open(mst_context *, const char *, const mst_source_options *, mst_source **, mst_cancel *,
        mst_error *)
    void mst_source_unref(mst_source *)
    const char *mst_source_get_url(const mst_source *)
    const char *mst_source_get_format(const mst_source *)
    const char *mst_source_get_index_url(const mst_source *)
    uint64_t mst_source_get_size(const mst_source *)
    mst_status mst_source_show(mst_source *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_source_index(mst_source *, const mst_index_options *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_source_pieces(mst_source *, const mst_index_options *, uint64_t *, mst_cancel *, mst_error *)
    mst_status mst_source_scan(mst_source *, uint64_t, uint64_t, const mst_index_options *, mst_bytes *,
        mst_cancel *, mst_error *)
    mst_status mst_source_index_from(mst_source *, const mst_bytes *, size_t, const mst_index_options *, mst_bytes *,
        mst_cancel *, mst_error *)
    mst_status mst_source_export(mst_source *, const char *, const char *, mst_cancel *, mst_error *)
    mst_status mst_source_verify(mst_source *, const mst_verify_options *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_source_plan(mst_source *, const mst_query *, mst_plan **, mst_cancel *, mst_error *)
    size_t mst_plan_get_count(const mst_plan *)
    mst_slice *mst_plan_take(const mst_plan *, size_t)
    void mst_plan_unref(mst_plan *)

    mst_status mst_slice_parse(mst_context *, const void *, size_t, const mst_pair *, size_t, mst_slice **, mst_error *)
    void mst_slice_unref(mst_slice *)
    const char *mst_slice_get_json(const mst_slice *)
    const char *mst_slice_get_url(const mst_slice *)
    const char *mst_slice_get_format(const mst_slice *)
    uint64_t mst_slice_get_records(const mst_slice *)
    uint64_t mst_slice_get_bytes(const mst_slice *)
    mst_status mst_slice_describe(mst_slice *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_slice_read(mst_slice *, const mst_read_options *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_slice_open(mst_slice *, const mst_read_options *, mst_reader **, mst_cancel *, mst_error *)
    mst_status mst_reader_next(mst_reader *, mst_bytes *, mst_error *)
    void mst_reader_free(mst_reader *)
    mst_status mst_slice_stream(mst_slice *, const mst_read_options *, ArrowArrayStream *, mst_cancel *, mst_error *)
    bint mst_stream_get_error(const ArrowArrayStream *, mst_error *)

    ctypedef mst_status (*mst_write_fn)(void *, const void *, size_t, mst_error *) noexcept nogil
    mst_status mst_object_cat(mst_context *, const char *, const mst_pair *, size_t, mst_write_fn, void *, mst_cancel *,
                              mst_error *)
    mst_status mst_object_remove(mst_context *, const char **, size_t, const mst_pair *, size_t, mst_cancel *, mst_error *)
    ctypedef mst_status (*mst_find_fn)(void *, const char *, const char *, const mst_object_info *,
        mst_error *) noexcept nogil
    mst_status mst_find(mst_context *, const char *, const mst_pair *, size_t, uint32_t, mst_find_fn, void *,
        mst_cancel *, mst_error *)

    cdef struct ArrowSchema:
        const char *format
        const char *name
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *) noexcept nogil
    cdef struct ArrowArray:
        int64_t length
        int64_t null_count
        ArrowArray **children
        ArrowArray *dictionary
        void (*release)(ArrowArray *) noexcept nogil
    cdef struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept nogil
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept nogil
        const char *(*get_last_error)(ArrowArrayStream *) noexcept nogil
        void (*release)(ArrowArrayStream *) noexcept nogil

cdef extern from "meseta/parquet.h" nogil:
    ctypedef struct mst_parquet
    ctypedef struct mst_parquet_out
    ctypedef struct mst_parquet_open_options:
        size_t struct_size
        const mst_pair *config
        size_t n_config
        uint32_t allow_unpinned
    ctypedef struct mst_parquet_query:
        size_t struct_size
        const char *const *columns
        size_t n_columns
        const char *where
        uint64_t first_group
        uint64_t groups
        uint64_t limit
        uint64_t batch_rows
        uint32_t has_limit
    ctypedef struct mst_parquet_out_column:
        const char *name
        const char *encoding
        uint32_t bloom
    ctypedef struct mst_parquet_out_sorting:
        const char *name
        uint32_t descending
        uint32_t nulls_first
    ctypedef struct mst_parquet_out_options:
        size_t struct_size
        const mst_pair *config
        size_t n_config
        const char *codec
        uint64_t row_group_rows
        uint64_t page_bytes
        const mst_parquet_out_column *columns
        size_t n_columns
        const mst_parquet_out_sorting *sorting
        size_t n_sorting
        const mst_pair *metadata
        size_t n_metadata
        int32_t level
        uint32_t no_dictionary
        uint32_t no_statistics
        uint32_t no_checksums
    ctypedef struct mst_parquet_written:
        uint64_t rows
        uint64_t bytes
        uint64_t row_groups
    mst_status mst_parquet_open(mst_context *, const char *, const mst_parquet_open_options *, mst_parquet **,
        mst_cancel *, mst_error *)
    mst_status mst_parquet_open_memory(mst_context *, const void *, size_t, void (*)(void *) noexcept nogil, void *,
        const char *, mst_parquet **, mst_error *)
    void mst_parquet_unref(mst_parquet *)
    const char *mst_parquet_get_url(const mst_parquet *)
    const char *mst_parquet_get_created_by(const mst_parquet *)
    uint64_t mst_parquet_get_size(const mst_parquet *)
    uint64_t mst_parquet_get_rows(const mst_parquet *)
    size_t mst_parquet_get_row_groups(const mst_parquet *)
    bint mst_parquet_get_metadata(const mst_parquet *, size_t, const char **, const char **)
    mst_status mst_parquet_get_schema(const mst_parquet *, ArrowSchema *, mst_error *)
    mst_status mst_parquet_show(mst_parquet *, size_t, mst_bytes *, mst_error *)
    mst_status mst_parquet_read(mst_parquet *, const mst_parquet_query *, ArrowArrayStream *, mst_cancel *, mst_error *)
    mst_status mst_parquet_verify(mst_parquet *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_parquet_create(mst_context *, const char *, const ArrowSchema *, const mst_parquet_out_options *,
        mst_parquet_out **, mst_cancel *, mst_error *)
    mst_status mst_parquet_out_put_stream(mst_parquet_out *, ArrowArrayStream *, mst_error *)
    mst_status mst_parquet_out_close(mst_parquet_out *, mst_parquet_written *, mst_error *)
    void mst_parquet_out_free(mst_parquet_out *)

cdef extern from "interrupt.h":
    ctypedef struct mst_py_job:
        void (*run)(void *) noexcept nogil
        void *arg
    bint mst_py_hears_signals()
    void mst_py_progress(void *, uint64_t, uint64_t) noexcept nogil
    int mst_py_run(mst_py_job *, mst_cancel *, int, PyObject *) except -1

cdef extern from "arrow.h":
    ctypedef struct mst_py_batches:
        ArrowSchema schema
    bint mst_py_schema_copy(const ArrowSchema *, ArrowSchema *)
    bint mst_py_batches_add(mst_py_batches *, ArrowArray *)
    void mst_py_batches_free(mst_py_batches *)
    void mst_py_batches_stream(mst_py_batches *, ArrowArrayStream *)
    ctypedef struct mst_py_notice:
        pass
    bint mst_py_guard_stream(ArrowArrayStream *, mst_cancel *, ArrowArrayStream *, mst_py_notice **)
    object mst_py_capsule(ArrowArrayStream *, mst_py_notice *)
    bint mst_py_column_begin(ArrowSchema *, ArrowArray *, const char *, const char *, int64_t, size_t, size_t, bint)
    bint mst_py_column_metadata(ArrowSchema *, const char *, size_t)
    Py_buffer *mst_py_column_view(ArrowArray *, size_t)
    void mst_py_column_lend(ArrowArray *, size_t)

cdef extern from "pages.h":
    void mst_py_large_pages(char *, size_t)

cdef extern from "Python.h":
    # With references counted by hand, for bytes that grow.
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    int resize_bytes "_PyBytes_Resize"(PyObject **, Py_ssize_t) except -1
    int Py_IsInitialized() noexcept nogil
    void drop "Py_XDECREF"(PyObject *)
