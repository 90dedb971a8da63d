# cython: language_level=3, embedsignature=False, auto_pickle=False, autotestdict=False
"""The thin layer over the C library: converts arguments, releases the lock, turns errors into exceptions.

Policy lives in the .py files.
"""

from _thread import allocate_lock as _lock

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset, strcmp, strlen

from meseta._c cimport *
from meseta.errors import ArgumentError, CancelledError, Error, _make as _make_error


# ---- errors and text -------------------------------------------------------------------------------------------------


cdef object _error(mst_status status, mst_error *err):
    return _make_error(
        status,
        err.message.decode("utf-8", "replace"),
        err.object.decode("utf-8", "replace"),
        err.offset,
        err.request_id.decode("utf-8", "replace"),
        err.http_status,
        err.os_errno,
        err.retryable,
    )


cdef bytes _utf8(str text):
    """Text as the library takes it; bytes of file names that are no UTF-8 pass through."""
    cdef bytes found
    try:
        found = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ArgumentError(f"text that cannot be encoded: {text!r}") from None
    if b"\0" in found:
        raise ArgumentError(f"text must not hold a NUL character: {text!r}")
    return found


cdef object _text(const char *text):
    return text.decode("utf-8", "surrogateescape")


cdef object _take_bytes(mst_bytes *b):
    cdef bytes found
    cdef char *to
    try:
        found = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>b.size)
        to = PyBytes_AS_STRING(found)
        if b.size > 0:
            with nogil:
                memcpy(to, b.data, b.size)
        return found
    finally:
        mst_bytes_release(b)


cdef object _take_json(mst_bytes *b):
    text = _take_bytes(b)
    if not text:
        return None
    import json  # here, so that importing the package does not

    return json.loads(text)


# ---- calls -----------------------------------------------------------------------------------------------------------


cdef struct Call:
    # The arguments and results of one native call; each call uses the few that are its own.
    mst_status (*run)(Call *) noexcept nogil
    mst_status status
    mst_error err
    mst_cancel *cancel
    mst_context *ctx
    mst_source *source
    mst_slice *slice
    mst_reader *reader
    const char *text
    const char *text2
    const mst_pair *pairs
    size_t n_pairs
    const mst_source_options *source_options
    mst_index_options *index_options
    mst_verify_options *verify_options
    const mst_query *query
    const mst_read_options *read_options
    const mst_bytes *partials
    uint64_t i
    uint64_t n
    ArrowArrayStream *stream
    ArrowArray *array
    ArrowSchema *schema
    Found *found
    Fill *fill
    mst_parquet *parquet
    mst_parquet_out *writer
    const mst_parquet_open_options *parquet_options
    const mst_parquet_query *parquet_query
    const mst_parquet_out_options *parquet_out_options
    mst_parquet_written *written
    Lent *lent
    mst_bytes out
    mst_source *source_out
    mst_plan *plan_out
    mst_reader *reader_out
    mst_parquet *parquet_out
    mst_parquet_out *writer_out
    void *more  # a struct of the call's own

ctypedef mst_status (*Run)(Call *) noexcept nogil


cdef void _run(void *p) noexcept nogil:
    cdef Call *c = <Call *>p
    c.status = c.run(c)


cdef void _begin(Call *c, Run run):
    memset(c, 0, sizeof(c[0]))
    c.run = run


cdef int _end(Call *c, object progress=None) except -1:
    """Makes the call with the lock released; raises its error, or what a signal's handler or `progress` raised."""
    cdef mst_cancel *own = NULL
    cdef mst_py_job job
    memset(&job, 0, sizeof(job))
    job.run = _run
    job.arg = c
    if c.cancel == NULL:
        own = mst_cancel_new(c.ctx)
        if own == NULL:
            raise MemoryError
        c.cancel = own
    if progress is not None:
        if c.index_options != NULL:
            c.index_options.progress = mst_py_progress
            c.index_options.progress_arg = &job
        if c.verify_options != NULL:
            c.verify_options.progress = mst_py_progress
            c.verify_options.progress_arg = &job
    try:
        mst_py_run(&job, c.cancel, mst_py_hears_signals(), NULL if progress is None else <PyObject *>progress)
        if c.status != MST_OK:
            raise _error(c.status, &c.err)
    except BaseException:
        mst_bytes_release(&c.out)
        mst_source_unref(c.source_out)
        mst_plan_unref(c.plan_out)
        mst_reader_free(c.reader_out)
        mst_parquet_unref(c.parquet_out)
        mst_parquet_out_free(c.writer_out)
        raise
    finally:
        mst_cancel_unref(own)
    return 0


# ---- context and storage options -------------------------------------------------------------------------------------


@cython.final
cdef class _Context:
    cdef mst_context *ctx

    def __cinit__(self, threads, memory):
        cdef mst_context_options o
        cdef mst_error err
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.cpu_threads = threads
        o.memory_bytes_max = memory
        cdef mst_status status = mst_context_open(&o, &self.ctx, &err)
        if status != MST_OK:
            raise _error(status, &err)

    def __dealloc__(self):
        mst_context_unref(self.ctx)


cdef _Context _context = None  # None: the library's default


def configure(threads, memory):
    global _context
    _context = _Context(threads, memory) if threads or memory else None


cdef mst_context *_of(_Context context):
    return NULL if context is None else context.ctx


@cython.final
cdef class _Pairs:
    """Storage options as C pairs; keeps their text alive."""
    cdef mst_pair *pairs
    cdef size_t n
    cdef list keep

    def __cinit__(self, options):
        self.keep = [(_utf8(k), _utf8(v)) for k, v in options]
        self.n = len(self.keep)
        self.pairs = <mst_pair *>calloc(self.n + 1, sizeof(mst_pair))
        if self.pairs == NULL:
            raise MemoryError
        for i, (k, v) in enumerate(self.keep):
            self.pairs[i].key = <const char *><bytes>k
            self.pairs[i].value = <const char *><bytes>v

    def __dealloc__(self):
        free(self.pairs)


def version():
    return _text(mst_version())


def describe(what):
    cdef mst_bytes out
    cdef mst_error err
    cdef bytes name = _utf8(what)
    cdef _Context context = _context
    memset(&out, 0, sizeof(out))
    cdef mst_status status = mst_describe(_of(context), name, &out, &err)
    if status != MST_OK:
        raise _error(status, &err)
    return _take_json(&out)


# ---- finding objects -------------------------------------------------------------------------------------------------


cdef struct Found:
    # URLs, each with its NUL.
    char *text
    size_t size
    size_t room
    bint failed


cdef mst_status _keep_found(
    void *arg, const char *url, const char *below, const mst_object_info *info, mst_error *err
) noexcept nogil:
    cdef Found *found = <Found *>arg
    cdef size_t n = strlen(url) + 1
    cdef size_t room
    cdef char *more
    if info.is_prefix:
        return MST_OK
    if found.size + n > found.room:
        room = 2 * (found.size + n) + 4096
        more = <char *>realloc(found.text, room)
        if more == NULL:
            found.failed = True
            return MST_E_CANCELLED
        found.text = more
        found.room = room
    memcpy(found.text + found.size, url, n)
    found.size += n
    return MST_OK


cdef mst_status _find(Call *c) noexcept nogil:
    return mst_find(c.ctx, c.text, c.pairs, c.n_pairs, MST_FIND_RECURSIVE | MST_FIND_SOURCES, _keep_found, c.found,
                    c.cancel, &c.err)


cdef mst_status _cat(Call *c) noexcept nogil:
    return mst_object_cat(c.ctx, c.text, c.pairs, c.n_pairs, _gather_text, c.more, c.cancel, &c.err)

cdef mst_status _remove(Call *c) noexcept nogil:
    return mst_object_remove(c.ctx, &c.text, 1, c.pairs, c.n_pairs, c.cancel, &c.err)


cdef int _of_object(Call *c, Run run, bytes url, _Pairs pairs) except -1:
    cdef _Context context = _context
    _begin(c, run)
    c.ctx = _of(context)
    c.text = url
    c.pairs = pairs.pairs
    c.n_pairs = pairs.n
    return 0


def cat(url, options):
    """The bytes of an object."""
    cdef Call c
    cdef bytes url_b = _utf8(url)
    cdef _Pairs pairs = _Pairs(options)
    found = bytearray()
    _of_object(&c, _cat, url_b, pairs)
    c.more = <void *>found
    _end(&c)
    return bytes(found)


def remove(url, options):
    """Removes an object; one that is not there is no error."""
    cdef Call c
    cdef bytes url_b = _utf8(url)
    cdef _Pairs pairs = _Pairs(options)
    _of_object(&c, _remove, url_b, pairs)
    _end(&c)


def find(pattern, options):
    cdef Call c
    cdef Found found
    cdef bytes url = _utf8(pattern)
    cdef _Pairs pairs = _Pairs(options)
    cdef _Context context = _context
    memset(&found, 0, sizeof(found))
    _begin(&c, _find)
    c.ctx = _of(context)
    c.text = url
    c.pairs = pairs.pairs
    c.n_pairs = pairs.n
    c.found = &found
    try:
        _end(&c)
        urls = found.text[:found.size].split(b"\0")[:-1] if found.size else []
        return [one.decode("utf-8", "surrogateescape") for one in urls]
    except BaseException:
        if found.failed:
            raise MemoryError from None
        raise
    finally:
        free(found.text)


# ---- source ----------------------------------------------------------------------------------------------------------


cdef mst_status _open(Call *c) noexcept nogil:
    return mst_source_open(c.ctx, c.text, c.source_options, &c.source_out, c.cancel, &c.err)

cdef mst_status _show(Call *c) noexcept nogil:
    return mst_source_show(c.source, &c.out, c.cancel, &c.err)

cdef mst_status _index(Call *c) noexcept nogil:
    return mst_source_index(c.source, c.index_options, &c.out, c.cancel, &c.err)

cdef mst_status _pieces(Call *c) noexcept nogil:
    return mst_source_pieces(c.source, c.index_options, &c.n, c.cancel, &c.err)

cdef mst_status _scan(Call *c) noexcept nogil:
    return mst_source_scan(c.source, c.i, c.n, c.index_options, &c.out, c.cancel, &c.err)

cdef mst_status _index_from(Call *c) noexcept nogil:
    return mst_source_index_from(c.source, c.partials, c.n, c.index_options, &c.out, c.cancel, &c.err)

cdef mst_status _export(Call *c) noexcept nogil:
    return mst_source_export(c.source, c.text, c.text2, c.cancel, &c.err)

cdef mst_status _verify(Call *c) noexcept nogil:
    return mst_source_verify(c.source, c.verify_options, &c.out, c.cancel, &c.err)

cdef mst_status _plan(Call *c) noexcept nogil:
    return mst_source_plan(c.source, c.query, &c.plan_out, c.cancel, &c.err)


@cython.final
cdef class Source:
    cdef mst_source *source

    def __cinit__(self, url, format, index_at, dialect, options, allow_unpinned):
        cdef Call c
        cdef mst_source_options o
        cdef bytes url_b = _utf8(url)
        cdef bytes format_b = None if format is None else _utf8(format)
        cdef bytes index_b = None if index_at is None else _utf8(index_at)
        cdef bytes dialect_b = _utf8(dialect) if dialect else None
        cdef _Pairs pairs = _Pairs(options)
        cdef _Context context = _context
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        if format_b is not None:
            o.format = format_b
        if index_b is not None:
            o.index_at = index_b
        if dialect_b is not None:
            o.dialect_json = dialect_b
        o.config = pairs.pairs
        o.n_config = pairs.n
        o.allow_unpinned = allow_unpinned
        _begin(&c, _open)
        c.ctx = _of(context)
        c.text = url_b
        c.source_options = &o
        _end(&c)
        self.source = c.source_out

    def __dealloc__(self):
        mst_source_unref(self.source)

    @property
    def url(self):
        return _text(mst_source_get_url(self.source))

    @property
    def format(self):
        return _text(mst_source_get_format(self.source))

    @property
    def index_url(self):
        return _text(mst_source_get_index_url(self.source))

    @property
    def size(self):
        return mst_source_get_size(self.source)

    def show(self):
        cdef Call c
        _begin(&c, _show)
        c.source = self.source
        _end(&c)
        return _take_json(&c.out)

    cdef void _begin_index(self, Call *c, Run run, mst_index_options *o):
        _begin(c, run)
        memset(o, 0, sizeof(o[0]))
        o.struct_size = sizeof(o[0])
        c.source = self.source
        c.index_options = o

    def index(self, spacing, threads, piece_bytes, force, recover, dry_run, progress):
        cdef Call c
        cdef mst_index_options o
        self._begin_index(&c, _index, &o)
        o.spacing = spacing
        o.threads = threads
        o.piece_bytes = piece_bytes
        o.force = force
        o.recover = recover
        o.dry_run = dry_run
        _end(&c, progress)
        return _take_json(&c.out)

    def pieces(self, spacing, piece_bytes):
        cdef Call c
        cdef mst_index_options o
        self._begin_index(&c, _pieces, &o)
        o.spacing = spacing
        o.piece_bytes = piece_bytes
        _end(&c)
        return c.n

    def scan(self, i, n, spacing, recover):
        cdef Call c
        cdef mst_index_options o
        self._begin_index(&c, _scan, &o)
        o.spacing = spacing
        o.recover = recover
        c.i = i
        c.n = n
        _end(&c)
        return _take_bytes(&c.out)

    def index_from(self, list partials, spacing, recover):
        cdef Call c
        cdef mst_index_options o
        cdef bytes one
        cdef mst_bytes *each = <mst_bytes *>calloc(len(partials) + 1, sizeof(mst_bytes))
        if each == NULL:
            raise MemoryError
        try:
            for i in range(len(partials)):
                one = partials[i]
                each[i].data = <const uint8_t *>PyBytes_AS_STRING(one)
                each[i].size = len(one)
            self._begin_index(&c, _index_from, &o)
            o.spacing = spacing
            o.recover = recover
            o.force = True
            c.partials = each
            c.n = len(partials)
            _end(&c)
        finally:
            free(each)
        return _take_json(&c.out)

    def export(self, kind, to):
        cdef Call c
        cdef bytes kind_b = _utf8(kind)
        cdef bytes to_b = None if to is None else _utf8(to)
        _begin(&c, _export)
        c.source = self.source
        c.text = kind_b
        if to_b is not None:
            c.text2 = to_b
        _end(&c)

    def verify(self, threads, recover, progress):
        cdef Call c
        cdef mst_verify_options o
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.threads = threads
        o.recover = recover
        _begin(&c, _verify)
        c.source = self.source
        c.verify_options = &o
        _end(&c, progress)
        return _take_json(&c.out)

    def slices(self, n, size, records, strategy, region, where, options):
        cdef Call c
        cdef mst_query q
        cdef bytes strategy_b = None if strategy is None else _utf8(strategy)
        cdef bytes region_b = None if region is None else _utf8(region)
        cdef bytes where_b = None if where is None else _utf8(where)
        cdef bytes options_b = _utf8(options) if options else None
        memset(&q, 0, sizeof(q))
        q.struct_size = sizeof(q)
        q.slices = n
        q.slice_bytes = size
        q.slice_records = records
        if strategy_b is not None:
            q.strategy = strategy_b
        if region_b is not None:
            q.region = region_b
        if where_b is not None:
            q.where = where_b
        if options_b is not None:
            q.options_json = options_b
        _begin(&c, _plan)
        c.source = self.source
        c.query = &q
        _end(&c)
        try:
            return [_wrap_slice(mst_plan_take(c.plan_out, i)) for i in range(mst_plan_get_count(c.plan_out))]
        finally:
            mst_plan_unref(c.plan_out)


# ---- slice -----------------------------------------------------------------------------------------------------------


cdef mst_status _describe(Call *c) noexcept nogil:
    return mst_slice_describe(c.slice, &c.out, c.cancel, &c.err)

cdef struct Fill:
    # A whole slice on its way into one bytes object.
    mst_reader *reader
    mst_bytes piece
    size_t used  # of the piece
    char *to
    size_t size
    size_t room
    bint ended


cdef mst_status _fill(Call *c) noexcept nogil:
    """Reads on until the room is full or the slice ends."""
    cdef Fill *f = c.fill
    cdef size_t n
    cdef mst_status status
    if f.reader == NULL:
        status = mst_slice_open(c.slice, c.read_options, &f.reader, c.cancel, &c.err)
        if status != MST_OK:
            return status
    while True:
        if f.used == f.piece.size:
            mst_bytes_release(&f.piece)
            f.used = 0
            status = mst_reader_next(f.reader, &f.piece, &c.err)
            if status != MST_OK:
                return status
            f.ended = f.piece.size == 0
            if f.ended:
                return MST_OK
        if f.size == f.room:
            return MST_OK
        n = min(f.piece.size - f.used, f.room - f.size)
        memcpy(f.to + f.size, f.piece.data + f.used, n)
        f.size += n
        f.used += n


cdef mst_status _read_from(Call *c) noexcept nogil:
    return mst_slice_open(c.slice, c.read_options, &c.reader_out, c.cancel, &c.err)

cdef mst_status _next(Call *c) noexcept nogil:
    return mst_reader_next(c.reader, &c.out, &c.err)

cdef mst_status _stream(Call *c) noexcept nogil:
    return mst_slice_stream(c.slice, c.read_options, c.stream, c.cancel, &c.err)


cdef Slice _wrap_slice(mst_slice *s):
    cdef Slice self = Slice.__new__(Slice)
    self.slice = s
    return self


@cython.final
cdef class Slice:
    cdef mst_slice *slice

    def __init__(self):
        raise TypeError("slices are made by plans and by parse()")

    def __dealloc__(self):
        mst_slice_unref(self.slice)

    @staticmethod
    def parse(bytes text, options):
        cdef Slice self = Slice.__new__(Slice)
        cdef mst_error err
        cdef _Pairs pairs = _Pairs(options)
        cdef _Context context = _context
        cdef mst_status status = mst_slice_parse(
            _of(context), <const char *>text, len(text), pairs.pairs, pairs.n, &self.slice, &err)
        if status != MST_OK:
            raise _error(status, &err)
        return self

    @property
    def json(self):
        return _text(mst_slice_get_json(self.slice))

    @property
    def url(self):
        return _text(mst_slice_get_url(self.slice))

    @property
    def format(self):
        return _text(mst_slice_get_format(self.slice))

    @property
    def records(self):
        cdef uint64_t n = mst_slice_get_records(self.slice)
        return None if n == MST_UNKNOWN else n

    @property
    def size(self):
        cdef uint64_t n = mst_slice_get_bytes(self.slice)
        return None if n == MST_UNKNOWN else n

    def describe(self):
        cdef Call c
        _begin(&c, _describe)
        c.slice = self.slice
        _end(&c)
        return _take_json(&c.out)

    def read(self, header, recover):
        cdef Call c
        cdef Fill f
        cdef mst_read_options o
        cdef PyObject *found = NULL
        cdef uint64_t told = mst_slice_get_bytes(self.slice)
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.header = header
        o.recover = recover
        memset(&f, 0, sizeof(f))
        f.room = told if told <= FIRST_ROOM_MAX else FIRST_ROOM  # a slice's own word is believed so far
        cdef mst_cancel *cancel = mst_cancel_new(NULL)
        if cancel == NULL:
            raise MemoryError
        try:
            found = new_bytes(NULL, <Py_ssize_t>f.room)
            while True:
                f.to = PyBytes_AS_STRING(<object>found)
                mst_py_large_pages(f.to, f.room)
                _begin(&c, _fill)
                c.slice = self.slice
                c.read_options = &o
                c.cancel = cancel
                c.fill = &f
                _end(&c)
                if f.ended:
                    break
                f.room = 2 * f.room + FIRST_ROOM
                resize_bytes(&found, <Py_ssize_t>f.room)
            if f.size < f.room:
                resize_bytes(&found, <Py_ssize_t>f.size)
            return <object>found
        finally:
            drop(found)
            mst_bytes_release(&f.piece)
            with nogil:
                mst_reader_free(f.reader)
                mst_cancel_unref(cancel)

    def reader(self, header, recover):
        cdef Call c
        cdef mst_read_options o
        cdef Reader r = Reader.__new__(Reader)
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.header = header
        o.recover = recover
        _begin(&c, _read_from)
        c.slice = self.slice
        c.read_options = &o
        c.cancel = r.cancel
        _end(&c)
        r.reader = c.reader_out
        return r

    def stream(self, options, recover):
        cdef Call c
        cdef mst_read_options o
        cdef bytes options_b = _utf8(options) if options else None
        cdef Stream s = Stream.__new__(Stream)
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.recover = recover
        if options_b is not None:
            o.options_json = options_b
        _begin(&c, _stream)
        c.slice = self.slice
        c.read_options = &o
        c.stream = &s.stream
        c.cancel = s.cancel
        _end(&c)
        return s


cdef enum:
    FIRST_ROOM = 1 << 18
    FIRST_ROOM_MAX = 1 << 28


cdef object _failure(object error):
    """What later calls on the same reader raise: it has lost its place."""
    return error if isinstance(error, Error) else CancelledError("an earlier call was interrupted; begin again")


@cython.final
cdef class Reader:
    """The pieces of a slice, in order. In use by one thread at a time; close() from another one stops it."""
    cdef mst_reader *reader
    cdef mst_cancel *cancel
    cdef object lock
    cdef object failure

    def __cinit__(self):
        self.lock = _lock()
        self.cancel = mst_cancel_new(NULL)
        if self.cancel == NULL:
            raise MemoryError

    def __dealloc__(self):
        with nogil:
            mst_reader_free(self.reader)
        mst_cancel_unref(self.cancel)

    def next(self):
        """The next piece, empty at the end; after an error the same error again, never an end."""
        cdef Call c
        cdef _Piece piece
        if not self.lock.acquire(False):
            raise ArgumentError("this slice is being read by another thread; open it once more")
        try:
            if self.reader == NULL:
                raise ArgumentError("this file is closed")
            if self.failure is not None:
                raise self.failure
            _begin(&c, _next)
            c.reader = self.reader
            c.cancel = self.cancel
            try:
                _end(&c)
            except BaseException as error:
                self.failure = _failure(error)
                raise
            piece = _Piece.__new__(_Piece)
            piece.bytes = c.out
            return memoryview(piece)
        finally:
            self.lock.release()

    def close(self):
        cdef mst_reader *reader
        mst_cancel_request(self.cancel)
        with self.lock:
            reader = self.reader
            self.reader = NULL
            with nogil:
                mst_reader_free(reader)


@cython.final
cdef class _Piece:
    """Read-only bytes that belong to the library, by the buffer protocol."""
    cdef mst_bytes bytes

    def __dealloc__(self):
        mst_bytes_release(&self.bytes)

    def __len__(self):
        return self.bytes.size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <void *>self.bytes.data, <Py_ssize_t>self.bytes.size, 1, flags)

    def __releasebuffer__(self, Py_buffer *buffer):
        pass


# ---- Arrow -----------------------------------------------------------------------------------------------------------


cdef void _drop_schema(object capsule) noexcept:
    cdef ArrowSchema *s = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if s.release != NULL:
        s.release(s)
    free(s)


cdef void _drop_array(object capsule) noexcept:
    cdef ArrowArray *a = <ArrowArray *>PyCapsule_GetPointer(capsule, "arrow_array")
    if a.release != NULL:
        a.release(a)
    free(a)


cdef void *_room(size_t size) except NULL:
    cdef void *found = calloc(1, size)
    if found == NULL:
        raise MemoryError
    return found


@cython.final
cdef class Schema:
    cdef ArrowSchema schema

    def __dealloc__(self):
        if self.schema.release != NULL:
            self.schema.release(&self.schema)

    @property
    def fields(self):
        return [
            (_text(self.schema.children[i].name), _text(self.schema.children[i].format))
            for i in range(self.schema.n_children)
        ]

    def capsule(self):
        cdef ArrowSchema *s
        if self.schema.release == NULL:
            raise ArgumentError("this schema is empty")
        s = <ArrowSchema *>_room(sizeof(ArrowSchema))
        if not mst_py_schema_copy(&self.schema, s):
            free(s)
            raise MemoryError
        return PyCapsule_New(s, "arrow_schema", _drop_schema)


@cython.final
cdef class Batch:
    cdef ArrowArray array

    def __dealloc__(self):
        if self.array.release != NULL:
            self.array.release(&self.array)

    @property
    def rows(self):
        return self.array.length

    def capsule(self):
        cdef ArrowArray *a
        if self.array.release == NULL:
            raise ArgumentError("this batch was handed over already")
        a = <ArrowArray *>_room(sizeof(ArrowArray))
        a[0] = self.array
        memset(&self.array, 0, sizeof(self.array))
        return PyCapsule_New(a, "arrow_array", _drop_array)


cdef mst_status _get_schema(Call *c) noexcept nogil:
    return _stream_status(c, c.stream.get_schema(c.stream, c.schema))

cdef mst_status _get_batch(Call *c) noexcept nogil:
    return _stream_status(c, c.stream.get_next(c.stream, c.array))

cdef mst_status _stream_status(Call *c, int failed) noexcept nogil:
    cdef const char *text
    cdef size_t n
    if failed == 0:
        return MST_OK
    if not mst_stream_get_error(c.stream, &c.err):
        text = c.stream.get_last_error(c.stream)
        n = 0 if text == NULL else min(strlen(text), sizeof(c.err.message) - 1)
        memcpy(c.err.message, text, n)
        c.err.status = MST_E_INTERNAL
        c.err.offset = -1
    return c.err.status if c.err.status != MST_OK else MST_E_INTERNAL


@cython.final
cdef class Stream:
    """Batches in order, read once: either here one by one, or as a whole by whoever takes the capsule."""
    cdef ArrowArrayStream stream
    cdef mst_cancel *cancel
    cdef object lock
    cdef object failure
    cdef Schema known
    cdef bint ended

    def __cinit__(self):
        self.lock = _lock()
        self.cancel = mst_cancel_new(NULL)
        if self.cancel == NULL:
            raise MemoryError

    def __dealloc__(self):
        self._release()
        mst_cancel_unref(self.cancel)

    cdef int _take(self) except -1:
        """The stream is this caller's until `lock` is released."""
        if not self.lock.acquire(False):
            raise ArgumentError("this stream is being read by another thread")
        if self.stream.release == NULL:
            self.lock.release()
            raise ArgumentError("this stream was closed or handed over already: a stream is read once")
        return 0

    cdef Schema _schema(self):
        cdef Call c
        cdef Schema found
        if self.known is None:
            found = Schema.__new__(Schema)
            _begin(&c, _get_schema)
            c.stream = &self.stream
            c.schema = &found.schema
            c.cancel = self.cancel
            _end(&c)
            self.known = found
        return self.known

    def schema(self):
        if self.known is None:
            self._take()
            try:
                self._schema()
            finally:
                self.lock.release()
        return self.known

    cdef Batch _batch(self):
        cdef Call c
        cdef Batch found = Batch.__new__(Batch)
        if self.failure is not None:
            raise self.failure
        if self.ended:
            return None
        _begin(&c, _get_batch)
        c.stream = &self.stream
        c.array = &found.array
        c.cancel = self.cancel
        try:
            _end(&c)
        except BaseException as error:
            self.failure = _failure(error)
            raise
        self.ended = found.array.release == NULL
        return None if self.ended else found

    def next(self):
        """The next batch, None at the end."""
        self._take()
        try:
            return self._batch()
        finally:
            self.lock.release()

    def whole(self):
        """A capsule of a stream of all batches, which have been read."""
        cdef mst_py_batches *all = NULL
        cdef ArrowArrayStream *s
        cdef Batch batch
        self._take()
        try:
            all = <mst_py_batches *>_room(sizeof(mst_py_batches))
            if not mst_py_schema_copy(&self._schema().schema, &all.schema):
                raise MemoryError
            while True:
                batch = self._batch()
                if batch is None:
                    break
                if not mst_py_batches_add(all, &batch.array):
                    raise MemoryError
            s = <ArrowArrayStream *>_room(sizeof(ArrowArrayStream))
            mst_py_batches_stream(all, s)
            all = NULL
            self._release()
            return mst_py_capsule(s, NULL)
        finally:
            mst_py_batches_free(all)
            self.lock.release()

    def capsule(self):
        """A capsule of what is left of the stream, which is read by whoever takes it."""
        cdef ArrowArrayStream *s
        cdef mst_py_notice *notice = NULL
        self._take()
        try:
            s = <ArrowArrayStream *>_room(sizeof(ArrowArrayStream))
            if not mst_py_guard_stream(&self.stream, self.cancel, s, &notice):
                free(s)
                raise MemoryError
            return mst_py_capsule(s, notice)
        finally:
            self.lock.release()

    cdef void _release(self):
        with nogil:
            if self.stream.release != NULL:
                self.stream.release(&self.stream)
        memset(&self.stream, 0, sizeof(self.stream))

    def close(self):
        mst_cancel_request(self.cancel)
        with self.lock:
            self._release()


include "_data.pxi"
include "_parquet.pxi"
include "_dataset.pxi"
