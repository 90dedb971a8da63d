# Parquet files: opened, looked into, read, verified, written.


cdef mst_status _parquet_open(Call *c) noexcept nogil:
    return mst_parquet_open(c.ctx, c.text, c.parquet_options, &c.parquet_out, c.cancel, &c.err)

cdef mst_status _parquet_memory(Call *c) noexcept nogil:
    return mst_parquet_open_memory(c.ctx, c.lent.view.buf, <size_t>c.lent.view.len, _drop_lent, c.lent, c.text,
                                   &c.parquet_out, &c.err)

cdef mst_status _parquet_show(Call *c) noexcept nogil:
    return mst_parquet_show(c.parquet, <size_t>c.n, &c.out, &c.err)

cdef mst_status _parquet_schema(Call *c) noexcept nogil:
    return mst_parquet_get_schema(c.parquet, c.schema, &c.err)

cdef mst_status _parquet_read(Call *c) noexcept nogil:
    return mst_parquet_read(c.parquet, c.parquet_query, c.stream, c.cancel, &c.err)

cdef mst_status _parquet_verify(Call *c) noexcept nogil:
    return mst_parquet_verify(c.parquet, &c.out, c.cancel, &c.err)


cdef struct Lent:
    # A Python object's memory while the library reads it.
    Py_buffer view


cdef void _drop_lent(void *p) noexcept nogil:
    cdef Lent *lent = <Lent *>p
    _release_lent(&lent.view)
    free(lent)


@cython.final
cdef class _Names:
    """Texts as an array of C strings; keeps them alive."""
    cdef const char **names
    cdef size_t n
    cdef list keep

    def __cinit__(self, names):
        self.keep = [_utf8(name) for name in names]
        self.n = len(self.keep)
        self.names = <const char **>calloc(self.n + 1, sizeof(char *))
        if self.names == NULL:
            raise MemoryError
        for i, name in enumerate(self.keep):
            self.names[i] = <const char *><bytes>name

    def __dealloc__(self):
        free(self.names)


@cython.final
cdef class Parquet:
    """A pinned Parquet file."""
    cdef mst_parquet *parquet

    def __init__(self):
        raise TypeError("Parquet files are opened by open() and memory()")

    def __dealloc__(self):
        mst_parquet_unref(self.parquet)

    @staticmethod
    def open(url, options, allow_unpinned):
        cdef Call c
        cdef mst_parquet_open_options o
        cdef Parquet self = Parquet.__new__(Parquet)
        cdef bytes url_b = _utf8(url)
        cdef _Pairs pairs = _Pairs(options)
        cdef _Context context = _context
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.config = pairs.pairs
        o.n_config = pairs.n
        o.allow_unpinned = allow_unpinned
        _begin(&c, _parquet_open)
        c.ctx = _of(context)
        c.text = url_b
        c.parquet_options = &o
        _end(&c)
        self.parquet = c.parquet_out
        return self

    @staticmethod
    def memory(source, name):
        cdef Call c
        cdef Parquet self = Parquet.__new__(Parquet)
        cdef bytes name_b = _utf8(name)
        cdef _Context context = _context
        cdef Lent *lent = <Lent *>_room(sizeof(Lent))
        try:
            PyObject_GetBuffer(source, &lent.view, PyBUF_SIMPLE)
        except BaseException:
            free(lent)
            raise
        _begin(&c, _parquet_memory)
        c.ctx = _of(context)
        c.text = name_b
        c.lent = lent
        _end(&c)
        self.parquet = c.parquet_out
        return self

    @property
    def url(self):
        return _text(mst_parquet_get_url(self.parquet))

    @property
    def created_by(self):
        return mst_parquet_get_created_by(self.parquet).decode("utf-8", "replace")

    @property
    def size(self):
        return mst_parquet_get_size(self.parquet)

    @property
    def rows(self):
        return mst_parquet_get_rows(self.parquet)

    @property
    def row_groups(self):
        return mst_parquet_get_row_groups(self.parquet)

    def metadata(self):
        """Pairs of text; a value may be None."""
        cdef const char *key
        cdef const char *value
        found = []
        while mst_parquet_get_metadata(self.parquet, len(found), &key, &value):
            found.append((
                key.decode("utf-8", "replace"), None if value == NULL else value.decode("utf-8", "surrogateescape")))
        return found

    def schema(self):
        cdef Call c
        cdef Schema found = Schema.__new__(Schema)
        _begin(&c, _parquet_schema)
        c.parquet = self.parquet
        c.schema = &found.schema
        _end(&c)
        return found

    def show(self, groups_max):
        cdef Call c
        _begin(&c, _parquet_show)
        c.parquet = self.parquet
        c.n = groups_max
        _end(&c)
        return _take_json(&c.out)

    def read(self, columns, where, limit, batch_rows, first_group=0, groups=0):
        """`limit`: None or a number. `groups`: 0: all."""
        cdef Call c
        cdef mst_parquet_query q
        cdef bytes where_b = None if where is None else _utf8(where)
        cdef _Names names = _Names([] if columns is None else columns)
        cdef Stream s = Stream.__new__(Stream)
        memset(&q, 0, sizeof(q))
        q.struct_size = sizeof(q)
        if columns is not None:
            q.columns = names.names
            q.n_columns = names.n
        if where_b is not None:
            q.where = where_b
        if limit is not None:
            q.has_limit = 1
            q.limit = limit
        q.batch_rows = batch_rows
        q.first_group = first_group
        q.groups = groups
        _begin(&c, _parquet_read)
        c.parquet = self.parquet
        c.parquet_query = &q
        c.stream = &s.stream
        c.cancel = s.cancel
        _end(&c)
        return s

    def verify(self):
        cdef Call c
        _begin(&c, _parquet_verify)
        c.parquet = self.parquet
        _end(&c)
        return _take_json(&c.out)


cdef mst_status _parquet_create(Call *c) noexcept nogil:
    return mst_parquet_create(c.ctx, c.text, c.schema, c.parquet_out_options, &c.writer_out, c.cancel, &c.err)

cdef mst_status _parquet_put(Call *c) noexcept nogil:
    return mst_parquet_out_put_stream(c.writer, c.stream, &c.err)

cdef mst_status _parquet_close(Call *c) noexcept nogil:
    return mst_parquet_out_close(c.writer, c.written, &c.err)


@cython.final
cdef class ParquetOut:
    """A Parquet file in the making; without close() nothing is left of it. In use by one thread at a time."""
    cdef mst_parquet_out *writer
    cdef mst_cancel *cancel

    def __cinit__(self):
        self.cancel = mst_cancel_new(NULL)
        if self.cancel == NULL:
            raise MemoryError

    def __dealloc__(self):
        with nogil:
            mst_parquet_out_free(self.writer)
        mst_cancel_unref(self.cancel)

    def __init__(self, url, Schema schema, options, codec, level, row_group_rows, page_bytes, columns, sorting, metadata,
                 dictionary, statistics, checksums):
        """`columns`: (name, encoding or None, bloom); `sorting`: (name, descending, nulls first)."""
        cdef Call c
        cdef mst_parquet_out_options o
        cdef bytes url_b = _utf8(url)
        cdef bytes codec_b = _utf8(codec)
        cdef _Pairs pairs = _Pairs(options)
        cdef _Pairs keys = _Pairs(metadata)
        cdef _Names names = _Names([name for name, _, _ in columns])
        cdef _Names encodings = _Names([encoding or "" for _, encoding, _ in columns])
        cdef _Names sorted_by = _Names([name for name, _, _ in sorting])
        cdef _Context context = _context
        cdef mst_parquet_out_column *each = <mst_parquet_out_column *>_room(
            (names.n + 1) * sizeof(mst_parquet_out_column))
        cdef mst_parquet_out_sorting *order = NULL
        try:
            order = <mst_parquet_out_sorting *>_room((sorted_by.n + 1) * sizeof(mst_parquet_out_sorting))
            for i in range(names.n):
                each[i].name = names.names[i]
                each[i].encoding = NULL if columns[i][1] is None else encodings.names[i]
                each[i].bloom = columns[i][2]
            for i in range(sorted_by.n):
                order[i].name = sorted_by.names[i]
                order[i].descending = sorting[i][1]
                order[i].nulls_first = sorting[i][2]
            memset(&o, 0, sizeof(o))
            o.struct_size = sizeof(o)
            o.config = pairs.pairs
            o.n_config = pairs.n
            o.codec = codec_b
            o.level = level
            o.row_group_rows = row_group_rows
            o.page_bytes = page_bytes
            o.columns = each
            o.n_columns = names.n
            o.sorting = order
            o.n_sorting = sorted_by.n
            o.metadata = keys.pairs
            o.n_metadata = keys.n
            o.no_dictionary = not dictionary
            o.no_statistics = not statistics
            o.no_checksums = not checksums
            _begin(&c, _parquet_create)
            c.ctx = _of(context)
            c.text = url_b
            c.schema = &schema.schema
            c.parquet_out_options = &o
            c.cancel = self.cancel
            _end(&c)
            self.writer = c.writer_out
        finally:
            free(each)
            free(order)

    def put(self, Input data):
        cdef Call c
        if data.stream.release == NULL:
            raise ArgumentError("this data was read already")
        if self.writer == NULL:
            raise ArgumentError("this Parquet file was given up")
        _begin(&c, _parquet_put)
        c.writer = self.writer
        c.stream = &data.stream
        c.cancel = self.cancel
        _end(&c)

    def close(self):
        """Rows, bytes, row groups."""
        cdef Call c
        cdef mst_parquet_written w
        if self.writer == NULL:
            raise ArgumentError("this Parquet file was given up")
        _begin(&c, _parquet_close)
        c.writer = self.writer
        c.written = &w
        c.cancel = self.cancel
        _end(&c)
        return w.rows, w.bytes, w.row_groups

    def abort(self):
        cdef mst_parquet_out *writer = self.writer
        self.writer = NULL
        with nogil:
            mst_parquet_out_free(writer)
