# Datasets: opened, looked into, read, changed, kept tidy.

cdef extern from "meseta/dataset.h" nogil:
    ctypedef struct mst_dataset
    ctypedef struct mst_change
    ctypedef struct mst_dataset_options:
        size_t struct_size
        const mst_pair *config
        size_t n_config
        const char *lock
        uint64_t memory
        uint32_t plateau
    ctypedef struct mst_dataset_read_options:
        size_t struct_size
        const char **columns
        size_t n_columns
        const char *where
        const char **categoricals
        size_t n_categoricals
        const char **labels
        size_t n_labels
        uint64_t limit
        uint64_t batch_rows
        uint64_t memory
        uint32_t has_limit
        uint32_t no_pushdown
    ctypedef struct mst_dataset_create_options:
        size_t struct_size
        const char *table
        const char **partition_on
        size_t n_partition_on
        const char **indices
        size_t n_indices
        const char **sort_by
        size_t n_sort_by
        const char *bucket_by
        uint32_t buckets
        uint32_t overwrite
        const char *metadata_json
        const char *metadata_format
        const char *codec
        uint64_t row_group_rows
        const char *history
        const ArrowSchema *schema
    mst_status mst_dataset_open(mst_context *, const char *, const mst_dataset_options *, mst_dataset **, mst_cancel *, mst_error *)
    mst_status mst_dataset_exists(mst_context *, const char *, const mst_dataset_options *, bint *, mst_cancel *, mst_error *)
    mst_dataset *mst_dataset_ref(mst_dataset *)
    void mst_dataset_unref(mst_dataset *)
    mst_status mst_dataset_refresh(mst_dataset *, mst_dataset **, mst_cancel *, mst_error *)
    mst_status mst_dataset_at(mst_dataset *, uint64_t, int64_t, mst_dataset **, mst_cancel *, mst_error *)
    const char *mst_dataset_get_uuid(const mst_dataset *)
    const char *mst_dataset_get_table(const mst_dataset *)
    uint64_t mst_dataset_get_version(const mst_dataset *)
    size_t mst_dataset_get_partition_count(const mst_dataset *)
    mst_status mst_dataset_get_schema(mst_dataset *, ArrowSchema *, mst_error *)
    mst_status mst_dataset_describe(mst_dataset *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_dataset_partitions(mst_dataset *, const char *, uint32_t, ArrowArrayStream *, mst_cancel *, mst_error *)
    mst_status mst_dataset_index(mst_dataset *, const char *, ArrowArrayStream *, mst_cancel *, mst_error *)
    mst_status mst_dataset_read(mst_dataset *, const mst_dataset_read_options *, ArrowArrayStream *, mst_cancel *, mst_error *)
    mst_status mst_dataset_count(mst_dataset *, const char *, uint64_t *, mst_cancel *, mst_error *)
    mst_status mst_dataset_groups(mst_dataset *, const char **, size_t, const char *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_dataset_plan(mst_dataset *, const mst_query *, mst_plan **, mst_cancel *, mst_error *)
    mst_status mst_dataset_create(mst_context *, const char *, const mst_dataset_options *, const mst_dataset_create_options *,
                                  ArrowArrayStream *, size_t, mst_dataset **, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_dataset_gc(mst_dataset *, uint64_t, uint32_t, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_dataset_log(mst_dataset *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_dataset_expire(mst_dataset *, uint64_t, uint64_t, mst_dataset **, mst_cancel *, mst_error *)
    mst_status mst_dataset_drop(mst_context *, const char *, const mst_dataset_options *, uint32_t, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_change_open(mst_dataset *, mst_change **, mst_error *)
    void mst_change_free(mst_change *)
    mst_status mst_change_append(mst_change *, ArrowArrayStream *, mst_cancel *, mst_error *)
    mst_status mst_change_remove(mst_change *, const char *, mst_cancel *, mst_error *)
    mst_status mst_change_remove_labels(mst_change *, const char **, size_t, mst_cancel *, mst_error *)
    mst_status mst_change_delete(mst_change *, const char *, mst_cancel *, mst_error *)
    mst_status mst_change_update(mst_change *, const char *, const char *, mst_cancel *, mst_error *)
    mst_status mst_change_upsert(mst_change *, ArrowArrayStream *, const char **, size_t, mst_cancel *, mst_error *)
    mst_status mst_change_compact(mst_change *, const char *, uint64_t, const char **, size_t, mst_cancel *, mst_error *)
    mst_status mst_change_metadata(mst_change *, const char *, mst_error *)
    mst_status mst_change_restore(mst_change *, uint64_t, mst_cancel *, mst_error *)
    mst_status mst_change_build_index(mst_change *, const char *, mst_cancel *, mst_error *)
    mst_status mst_change_drop_index(mst_change *, const char *, mst_error *)
    mst_status mst_change_schema(mst_change *, const ArrowSchema *, mst_error *)
    mst_status mst_change_write(mst_change *, ArrowArrayStream *, mst_bytes *, mst_cancel *, mst_error *)
    mst_status mst_change_add(mst_change *, const char *, mst_cancel *, mst_error *)
    mst_status mst_change_commit(mst_change *, mst_dataset **, mst_bytes *, mst_cancel *, mst_error *)

cdef extern from "meseta/export.h" nogil:
    mst_status mst_stream_export(mst_context *, ArrowArrayStream *, const char *, mst_write_fn, void *, mst_cancel *, mst_error *)


cdef struct Table:
    # What calls about datasets take besides a Call's members.
    mst_dataset *dataset
    mst_change *change
    mst_dataset *dataset_out
    mst_change *change_out
    const mst_dataset_options *options
    const mst_dataset_read_options *read_options
    const mst_dataset_create_options *create_options
    const char **names
    size_t n_names
    int64_t time_us
    bint found

cdef inline Table *_t(Call *c) noexcept nogil:
    return <Table *>c.more

cdef mst_status _ds_open(Call *c) noexcept nogil:
    return mst_dataset_open(c.ctx, c.text, _t(c).options, &_t(c).dataset_out, c.cancel, &c.err)

cdef mst_status _ds_exists(Call *c) noexcept nogil:
    return mst_dataset_exists(c.ctx, c.text, _t(c).options, &_t(c).found, c.cancel, &c.err)

cdef mst_status _ds_refresh(Call *c) noexcept nogil:
    return mst_dataset_refresh(_t(c).dataset, &_t(c).dataset_out, c.cancel, &c.err)

cdef mst_status _ds_at(Call *c) noexcept nogil:
    return mst_dataset_at(_t(c).dataset, c.n, _t(c).time_us, &_t(c).dataset_out, c.cancel, &c.err)

cdef mst_status _ds_schema(Call *c) noexcept nogil:
    return mst_dataset_get_schema(_t(c).dataset, c.schema, &c.err)

cdef mst_status _ds_describe(Call *c) noexcept nogil:
    return mst_dataset_describe(_t(c).dataset, &c.out, c.cancel, &c.err)

cdef mst_status _ds_partitions(Call *c) noexcept nogil:
    return mst_dataset_partitions(_t(c).dataset, c.text, <uint32_t>c.n, c.stream, c.cancel, &c.err)

cdef mst_status _ds_index(Call *c) noexcept nogil:
    return mst_dataset_index(_t(c).dataset, c.text, c.stream, c.cancel, &c.err)

cdef mst_status _ds_read(Call *c) noexcept nogil:
    return mst_dataset_read(_t(c).dataset, _t(c).read_options, c.stream, c.cancel, &c.err)

cdef mst_status _ds_count(Call *c) noexcept nogil:
    return mst_dataset_count(_t(c).dataset, c.text, &c.n, c.cancel, &c.err)

cdef mst_status _ds_groups(Call *c) noexcept nogil:
    return mst_dataset_groups(_t(c).dataset, _t(c).names, _t(c).n_names, c.text, &c.out, c.cancel, &c.err)

cdef mst_status _ds_plan(Call *c) noexcept nogil:
    return mst_dataset_plan(_t(c).dataset, c.query, &c.plan_out, c.cancel, &c.err)

cdef mst_status _ds_create(Call *c) noexcept nogil:
    return mst_dataset_create(c.ctx, c.text, _t(c).options, _t(c).create_options, c.stream, <size_t>c.n, &_t(c).dataset_out, &c.out,
                              c.cancel, &c.err)

cdef mst_status _ds_gc(Call *c) noexcept nogil:
    return mst_dataset_gc(_t(c).dataset, c.n, <uint32_t>c.i, &c.out, c.cancel, &c.err)

cdef mst_status _ds_log(Call *c) noexcept nogil:
    return mst_dataset_log(_t(c).dataset, &c.out, c.cancel, &c.err)

cdef mst_status _ds_expire(Call *c) noexcept nogil:
    return mst_dataset_expire(_t(c).dataset, c.i, c.n, &_t(c).dataset_out, c.cancel, &c.err)

cdef mst_status _ds_drop(Call *c) noexcept nogil:
    return mst_dataset_drop(c.ctx, c.text, _t(c).options, <uint32_t>c.i, &c.out, c.cancel, &c.err)

cdef mst_status _ch_append(Call *c) noexcept nogil:
    return mst_change_append(_t(c).change, c.stream, c.cancel, &c.err)

cdef mst_status _ch_remove(Call *c) noexcept nogil:
    return mst_change_remove(_t(c).change, c.text, c.cancel, &c.err)

cdef mst_status _ch_remove_labels(Call *c) noexcept nogil:
    return mst_change_remove_labels(_t(c).change, _t(c).names, _t(c).n_names, c.cancel, &c.err)

cdef mst_status _ch_delete(Call *c) noexcept nogil:
    return mst_change_delete(_t(c).change, c.text, c.cancel, &c.err)

cdef mst_status _ch_update(Call *c) noexcept nogil:
    return mst_change_update(_t(c).change, c.text, c.text2, c.cancel, &c.err)

cdef mst_status _ch_upsert(Call *c) noexcept nogil:
    return mst_change_upsert(_t(c).change, c.stream, _t(c).names, _t(c).n_names, c.cancel, &c.err)

cdef mst_status _ch_compact(Call *c) noexcept nogil:
    return mst_change_compact(_t(c).change, c.text, c.n, _t(c).names, _t(c).n_names, c.cancel, &c.err)

cdef mst_status _ch_metadata(Call *c) noexcept nogil:
    return mst_change_metadata(_t(c).change, c.text, &c.err)

cdef mst_status _ch_restore(Call *c) noexcept nogil:
    return mst_change_restore(_t(c).change, c.n, c.cancel, &c.err)

cdef mst_status _ch_build_index(Call *c) noexcept nogil:
    return mst_change_build_index(_t(c).change, c.text, c.cancel, &c.err)

cdef mst_status _ch_drop_index(Call *c) noexcept nogil:
    return mst_change_drop_index(_t(c).change, c.text, &c.err)

cdef mst_status _ch_schema(Call *c) noexcept nogil:
    return mst_change_schema(_t(c).change, c.schema, &c.err)

cdef mst_status _ch_write(Call *c) noexcept nogil:
    return mst_change_write(_t(c).change, c.stream, &c.out, c.cancel, &c.err)

cdef mst_status _ch_add(Call *c) noexcept nogil:
    return mst_change_add(_t(c).change, c.text, c.cancel, &c.err)

cdef mst_status _ch_commit(Call *c) noexcept nogil:
    return mst_change_commit(_t(c).change, &_t(c).dataset_out, &c.out, c.cancel, &c.err)

cdef mst_status _export_jsonl(Call *c) noexcept nogil:
    return mst_stream_export(c.ctx, c.stream, b"jsonl", _gather_text, c.more, c.cancel, &c.err)

cdef mst_status _gather_text(void *arg, const void *data, size_t n, mst_error *err) noexcept nogil:
    cdef int status = MST_OK
    with gil:
        try:
            (<bytearray>arg).extend((<const char *>data)[:n])
        except BaseException:
            status = MST_E_INTERNAL
    return <mst_status>status


cdef int _ready(Call *c, Table *t, Run run) except -1:
    memset(t, 0, sizeof(t[0]))
    _begin(c, run)
    c.more = t
    return 0


@cython.final
cdef class Dataset:
    """One snapshot of a dataset."""
    cdef mst_dataset *dataset

    def __init__(self):
        raise TypeError("datasets are opened by open() and create()")

    def __dealloc__(self):
        mst_dataset_unref(self.dataset)

    @staticmethod
    def open(url, options, lock):
        cdef Call c
        cdef Table t
        cdef mst_dataset_options o
        cdef bytes url_b = _utf8(url)
        cdef bytes lock_b = None if lock is None else _utf8(lock)
        cdef _Pairs pairs = _Pairs(options)
        cdef _Context context = _context
        _ready(&c, &t, _ds_open)
        _dataset_options(&o, pairs, lock_b)
        c.ctx = _of(context)
        c.text = url_b
        t.options = &o
        _end(&c)
        return _wrap_dataset(t.dataset_out)

    @staticmethod
    def exists(url, options):
        cdef Call c
        cdef Table t
        cdef mst_dataset_options o
        cdef bytes url_b = _utf8(url)
        cdef _Pairs pairs = _Pairs(options)
        cdef _Context context = _context
        _ready(&c, &t, _ds_exists)
        _dataset_options(&o, pairs, None)
        c.ctx = _of(context)
        c.text = url_b
        t.options = &o
        _end(&c)
        return bool(t.found)

    @staticmethod
    def create(url, options, lock, list inputs, Schema schema, dict how):
        """`how`: the members of mst_dataset_create_options by name. Gives the dataset and its report."""
        cdef Call c
        cdef Table t
        cdef mst_dataset_options o
        cdef mst_dataset_create_options k
        cdef bytes url_b = _utf8(url)
        cdef bytes lock_b = None if lock is None else _utf8(lock)
        cdef _Pairs pairs = _Pairs(options)
        cdef _Names partition_on = _Names(how["partition_on"])
        cdef _Names indices = _Names(how["indices"])
        cdef _Names sort_by = _Names(how["sort_by"])
        cdef bytes bucket_by = None if how["bucket_by"] is None else _utf8(how["bucket_by"])
        cdef bytes metadata = _utf8(how["metadata"])
        cdef bytes metadata_format = _utf8(how["metadata_format"])
        cdef bytes codec = _utf8(how["codec"])
        cdef bytes history = _utf8(how["history"])
        cdef _Context context = _context
        cdef Input each
        cdef ArrowArrayStream *streams = <ArrowArrayStream *>_room((len(inputs) + 1) * sizeof(ArrowArrayStream))
        try:
            memset(streams, 0, (len(inputs) + 1) * sizeof(ArrowArrayStream))
            memset(&k, 0, sizeof(k))
            k.struct_size = sizeof(k)
            k.partition_on = partition_on.names
            k.n_partition_on = partition_on.n
            k.indices = indices.names
            k.n_indices = indices.n
            k.sort_by = sort_by.names
            k.n_sort_by = sort_by.n
            if bucket_by is not None:
                k.bucket_by = bucket_by
            k.buckets = how["buckets"]
            k.overwrite = how["overwrite"]
            k.metadata_json = metadata
            k.metadata_format = metadata_format
            k.codec = codec
            k.row_group_rows = how["row_group_rows"]
            k.history = history
            if schema is not None:
                k.schema = &schema.schema
            _ready(&c, &t, _ds_create)
            _dataset_options(&o, pairs, lock_b)
            c.ctx = _of(context)
            c.text = url_b
            t.options = &o
            t.create_options = &k
            for i in range(len(inputs)):
                each = inputs[i]
                streams[i] = each.stream
                memset(&each.stream, 0, sizeof(each.stream))
            c.stream = streams
            c.n = len(inputs)
            _end(&c)
        finally:
            free(streams)
        return _wrap_dataset(t.dataset_out), _take_json(&c.out)

    @staticmethod
    def drop(url, options, lock, dry_run):
        cdef Call c
        cdef Table t
        cdef mst_dataset_options o
        cdef bytes url_b = _utf8(url)
        cdef bytes lock_b = None if lock is None else _utf8(lock)
        cdef _Pairs pairs = _Pairs(options)
        cdef _Context context = _context
        _ready(&c, &t, _ds_drop)
        _dataset_options(&o, pairs, lock_b)
        c.ctx = _of(context)
        c.text = url_b
        c.i = dry_run
        t.options = &o
        _end(&c)
        return _take_json(&c.out)

    cdef int _start(self, Call *c, Table *t, Run run) except -1:
        _ready(c, t, run)
        t.dataset = self.dataset
        return 0

    @property
    def uuid(self):
        return _text(mst_dataset_get_uuid(self.dataset))

    @property
    def table(self):
        return _text(mst_dataset_get_table(self.dataset))

    @property
    def version(self):
        return mst_dataset_get_version(self.dataset)

    def __len__(self):
        return mst_dataset_get_partition_count(self.dataset)

    def schema(self):
        cdef Call c
        cdef Table t
        cdef Schema found = Schema.__new__(Schema)
        self._start(&c, &t, _ds_schema)
        c.schema = &found.schema
        _end(&c)
        return found

    def describe(self):
        cdef Call c
        cdef Table t
        self._start(&c, &t, _ds_describe)
        _end(&c)
        return _take_json(&c.out)

    def refresh(self):
        cdef Call c
        cdef Table t
        self._start(&c, &t, _ds_refresh)
        _end(&c)
        return _wrap_dataset(t.dataset_out)

    def at(self, version, time_us):
        cdef Call c
        cdef Table t
        self._start(&c, &t, _ds_at)
        c.n = version
        t.time_us = time_us
        _end(&c)
        return _wrap_dataset(t.dataset_out)

    def expire(self, keep, older_than):
        cdef Call c
        cdef Table t
        self._start(&c, &t, _ds_expire)
        c.i = keep
        c.n = older_than
        _end(&c)
        return _wrap_dataset(t.dataset_out)

    def partitions(self, where, count_rows):
        cdef Call c
        cdef Table t
        cdef bytes where_b = None if where is None else _utf8(where)
        cdef Stream s = Stream.__new__(Stream)
        self._start(&c, &t, _ds_partitions)
        if where_b is not None:
            c.text = where_b
        c.n = count_rows
        c.stream = &s.stream
        c.cancel = s.cancel
        _end(&c)
        return s

    def index(self, column):
        cdef Call c
        cdef Table t
        cdef bytes column_b = _utf8(column)
        cdef Stream s = Stream.__new__(Stream)
        self._start(&c, &t, _ds_index)
        c.text = column_b
        c.stream = &s.stream
        c.cancel = s.cancel
        _end(&c)
        return s

    def read(self, columns, where, categoricals, labels, limit, batch_rows):
        cdef Call c
        cdef Table t
        cdef mst_dataset_read_options o
        cdef bytes where_b = None if where is None else _utf8(where)
        cdef _Names columns_n = _Names([] if columns is None else columns)
        cdef _Names categoricals_n = _Names(categoricals)
        cdef _Names labels_n = _Names([] if labels is None else labels)
        cdef Stream s = Stream.__new__(Stream)
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        if columns is not None:
            o.columns = columns_n.names
            o.n_columns = columns_n.n
        if where_b is not None:
            o.where = where_b
        o.categoricals = categoricals_n.names
        o.n_categoricals = categoricals_n.n
        if labels is not None:
            o.labels = labels_n.names
            o.n_labels = labels_n.n
        if limit is not None:
            o.has_limit = 1
            o.limit = limit
        o.batch_rows = batch_rows
        self._start(&c, &t, _ds_read)
        t.read_options = &o
        c.stream = &s.stream
        c.cancel = s.cancel
        _end(&c)
        return s

    def count(self, where):
        cdef Call c
        cdef Table t
        cdef bytes where_b = None if where is None else _utf8(where)
        self._start(&c, &t, _ds_count)
        if where_b is not None:
            c.text = where_b
        _end(&c)
        return c.n

    def groups(self, by, where):
        cdef Call c
        cdef Table t
        cdef bytes where_b = None if where is None else _utf8(where)
        cdef _Names names = _Names(by)
        self._start(&c, &t, _ds_groups)
        if where_b is not None:
            c.text = where_b
        t.names = names.names
        t.n_names = names.n
        _end(&c)
        return _take_json(&c.out)

    def slices(self, n, size, records, where):
        cdef Call c
        cdef Table t
        cdef mst_query q
        cdef bytes where_b = None if where is None else _utf8(where)
        memset(&q, 0, sizeof(q))
        q.struct_size = sizeof(q)
        q.slices = n
        q.slice_bytes = size
        q.slice_records = records
        if where_b is not None:
            q.where = where_b
        self._start(&c, &t, _ds_plan)
        c.query = &q
        _end(&c)
        try:
            return [_wrap_slice(mst_plan_take(c.plan_out, i)) for i in range(mst_plan_get_count(c.plan_out))]
        finally:
            mst_plan_unref(c.plan_out)

    def gc(self, older_than, dry_run):
        cdef Call c
        cdef Table t
        self._start(&c, &t, _ds_gc)
        c.n = older_than
        c.i = dry_run
        _end(&c)
        return _take_json(&c.out)

    def log(self):
        cdef Call c
        cdef Table t
        self._start(&c, &t, _ds_log)
        _end(&c)
        return _take_json(&c.out)

    def change(self):
        cdef Change found = Change.__new__(Change)
        cdef mst_error err
        cdef mst_status status
        memset(&err, 0, sizeof(err))
        with nogil:
            status = mst_change_open(self.dataset, &found.change, &err)
        if status != MST_OK:
            raise _error(status, &err)
        return found


cdef void _dataset_options(mst_dataset_options *o, _Pairs pairs, bytes lock):
    memset(o, 0, sizeof(o[0]))
    o.struct_size = sizeof(o[0])
    o.config = pairs.pairs
    o.n_config = pairs.n
    if lock is not None:
        o.lock = lock


cdef Dataset _wrap_dataset(mst_dataset *dataset):
    cdef Dataset self = Dataset.__new__(Dataset)
    self.dataset = dataset
    return self


@cython.final
cdef class Change:
    """A commit in the making, in use by one thread at a time."""
    cdef mst_change *change
    cdef object lock

    def __cinit__(self):
        self.lock = _lock()

    def __dealloc__(self):
        with nogil:
            mst_change_free(self.change)

    cdef int _call(self, Call *c, Table *t) except -1:
        if not self.lock.acquire(False):
            raise ArgumentError("this change is in use by another thread")
        try:
            if self.change == NULL:
                raise ArgumentError("this change was committed or given up already")
            t.change = self.change
            _end(c)
        finally:
            self.lock.release()
        return 0

    cdef int _of_text(self, Run run, bytes text, bytes text2) except -1:
        cdef Call c
        cdef Table t
        _ready(&c, &t, run)
        if text is not None:
            c.text = text
        if text2 is not None:
            c.text2 = text2
        self._call(&c, &t)
        return 0

    def append(self, Input data):
        cdef Call c
        cdef Table t
        _ready(&c, &t, _ch_append)
        c.stream = &data.stream
        self._call(&c, &t)

    def write(self, Input data):
        cdef Call c
        cdef Table t
        _ready(&c, &t, _ch_write)
        c.stream = &data.stream
        self._call(&c, &t)
        return _take_bytes(&c.out).decode()

    def upsert(self, Input data, on):
        cdef Call c
        cdef Table t
        cdef _Names names = _Names(on)
        _ready(&c, &t, _ch_upsert)
        c.stream = &data.stream
        t.names = names.names
        t.n_names = names.n
        self._call(&c, &t)

    def compact(self, where, target, sort_by):
        cdef Call c
        cdef Table t
        cdef bytes where_b = None if where is None else _utf8(where)
        cdef _Names names = _Names(sort_by)
        _ready(&c, &t, _ch_compact)
        if where_b is not None:
            c.text = where_b
        c.n = target
        t.names = names.names
        t.n_names = names.n
        self._call(&c, &t)

    def remove_labels(self, labels):
        cdef Call c
        cdef Table t
        cdef _Names names = _Names(labels)
        _ready(&c, &t, _ch_remove_labels)
        t.names = names.names
        t.n_names = names.n
        self._call(&c, &t)

    def restore(self, version):
        cdef Call c
        cdef Table t
        _ready(&c, &t, _ch_restore)
        c.n = version
        self._call(&c, &t)

    def schema(self, Schema schema):
        cdef Call c
        cdef Table t
        _ready(&c, &t, _ch_schema)
        c.schema = &schema.schema
        self._call(&c, &t)

    def remove(self, scope):
        self._of_text(_ch_remove, _utf8(scope), None)

    def delete(self, where):
        self._of_text(_ch_delete, _utf8(where), None)

    def update(self, where, values):
        self._of_text(_ch_update, _utf8(where), _utf8(values))

    def metadata(self, text):
        self._of_text(_ch_metadata, _utf8(text), None)

    def build_index(self, column):
        self._of_text(_ch_build_index, _utf8(column), None)

    def drop_index(self, column):
        self._of_text(_ch_drop_index, _utf8(column), None)

    def add(self, fragment):
        self._of_text(_ch_add, _utf8(fragment), None)

    def commit(self):
        cdef Call c
        cdef Table t
        _ready(&c, &t, _ch_commit)
        self._call(&c, &t)
        return _wrap_dataset(t.dataset_out), _take_json(&c.out)

    def close(self):
        """Gives it up; nothing when it was committed."""
        with self.lock:
            with nogil:
                mst_change_free(self.change)
                self.change = NULL


def stream_rows(Stream stream):
    """What is left of a stream, as a list of dicts; values as JSON says them."""
    import json

    cdef Call c
    cdef _Context context = _context
    text = bytearray()
    stream._take()
    try:
        _begin(&c, _export_jsonl)
        c.ctx = _of(context)
        c.stream = &stream.stream
        c.cancel = stream.cancel
        c.more = <void *>text
        _end(&c)
    finally:
        stream.lock.release()
    return [json.loads(line) for line in text.splitlines()]


def schema_of(capsule):
    """A copy of the schema in a capsule of ``__arrow_c_schema__``."""
    cdef ArrowSchema *s = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    cdef Schema found = Schema.__new__(Schema)
    if s.release == NULL:
        raise ArgumentError("this Arrow schema was handed over already")
    found.schema = s[0]
    s.release = NULL
    return found
