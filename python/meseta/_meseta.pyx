# cython: language_level=3, embedsignature=False, freethreading_compatible=True
"""The thin layer over the C library: converts arguments, releases the lock, turns errors into exceptions. Policy lives in .py."""

import json as _json
import threading as _threading
import weakref as _weakref

from cpython.buffer cimport PyBUF_READ, PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from meseta._c cimport *
from meseta.errors import _make as _make_error


# ---- errors and calls --------------------------------------------------------------------------------------------------------


cdef object _error(mst_status status, const mst_error *err):
    return _make_error(
        status,
        err.message.decode("utf-8", "replace"),
        err.object.decode("utf-8", "replace"),
        err.offset,
        err.request_id.decode("utf-8", "replace"),
        err.http_status,
        err.retryable,
    )


cdef struct Call:
    # One native call, whichever it is: `kind` says which fields count.
    int kind
    mst_status status
    mst_error err
    mst_cancel *cancel
    mst_context *ctx
    mst_source *source
    mst_slice *slice
    mst_reader *reader
    const char *text
    const char *text2
    const mst_source_options *source_options
    const mst_index_options *index_options
    const mst_verify_options *verify_options
    const mst_query *query
    const mst_read_options *read_options
    const mst_bytes *partials
    size_t n_partials
    uint64_t i
    uint64_t n
    mst_bytes out
    mst_source *source_out
    mst_plan *plan_out
    mst_reader *reader_out
    ArrowArrayStream *stream
    ArrowArray *array
    mst_pair *pairs
    size_t n_pairs
    void *found

cdef enum:
    OPEN, SHOW, INDEX, PIECES, SCAN, INDEX_FROM, EXPORT, VERIFY, PLAN, READ, READER, NEXT, STREAM, DESCRIBE, FIND, BATCH


cdef mst_status _keep_found(void *arg, const char *url, const char *below, const mst_object_info *info, mst_error *err) noexcept nogil:
    if info.is_prefix:
        return MST_OK
    with gil:
        (<list>arg).append(url.decode("utf-8", "surrogateescape"))
    return MST_OK


cdef void _run(void *p) noexcept nogil:
    cdef Call *c = <Call *>p
    if c.kind == OPEN:
        c.status = mst_source_open(c.ctx, c.text, c.source_options, &c.source_out, c.cancel, &c.err)
    elif c.kind == SHOW:
        c.status = mst_source_show(c.source, &c.out, c.cancel, &c.err)
    elif c.kind == INDEX:
        c.status = mst_source_index(c.source, c.index_options, &c.out, c.cancel, &c.err)
    elif c.kind == PIECES:
        c.status = mst_source_pieces(c.source, c.index_options, &c.n, c.cancel, &c.err)
    elif c.kind == SCAN:
        c.status = mst_source_scan(c.source, c.i, c.n, c.index_options, &c.out, c.cancel, &c.err)
    elif c.kind == INDEX_FROM:
        c.status = mst_source_index_from(c.source, c.partials, c.n_partials, c.index_options, &c.out, c.cancel, &c.err)
    elif c.kind == EXPORT:
        c.status = mst_source_export(c.source, c.text, c.text2, c.cancel, &c.err)
    elif c.kind == VERIFY:
        c.status = mst_source_verify(c.source, c.verify_options, &c.out, c.cancel, &c.err)
    elif c.kind == PLAN:
        c.status = mst_source_plan(c.source, c.query, &c.plan_out, c.cancel, &c.err)
    elif c.kind == READ:
        c.status = mst_slice_read(c.slice, c.read_options, &c.out, c.cancel, &c.err)
    elif c.kind == READER:
        c.status = mst_slice_open(c.slice, c.read_options, &c.reader_out, c.cancel, &c.err)
    elif c.kind == NEXT:
        c.status = mst_reader_next(c.reader, &c.out, &c.err)
    elif c.kind == STREAM:
        c.status = mst_slice_stream(c.slice, c.read_options, c.stream, c.cancel, &c.err)
    elif c.kind == DESCRIBE:
        c.status = mst_slice_describe(c.slice, &c.out, c.cancel, &c.err)
    elif c.kind == BATCH:
        c.status = c.stream.get_next(c.stream, c.array)
    else:
        c.status = mst_find(c.ctx, c.text, c.pairs, c.n_pairs, MST_FIND_RECURSIVE | MST_FIND_SOURCES, _keep_found, c.found, c.cancel, &c.err)


cdef int _call(Call *c) except -1:
    """Runs the call with the lock released; raises its error, or what a signal's handler raised meanwhile."""
    cdef mst_cancel *own = NULL
    if c.cancel == NULL:
        own = mst_cancel_new(NULL)
        c.cancel = own
    try:
        mst_py_run(_run, c, c.cancel, _threading.current_thread() is _threading.main_thread())
    except BaseException:
        mst_bytes_release(&c.out)
        mst_source_unref(c.source_out)
        mst_plan_unref(c.plan_out)
        mst_reader_free(c.reader_out)
        raise
    finally:
        mst_cancel_unref(own)
    if c.status != MST_OK and c.kind != BATCH:
        raise _error(c.status, &c.err)
    return 0


cdef bytes _utf8(object text):
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


cdef object _take_json(mst_bytes *b):
    try:
        return _json.loads(PyBytes_FromStringAndSize(<const char *>b.data, <Py_ssize_t>b.size)) if b.size else None
    finally:
        mst_bytes_release(b)


# ---- context -----------------------------------------------------------------------------------------------------------------


cdef class _Context:
    cdef mst_context *ctx

    def __cinit__(self, threads=0, memory=0):
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


_context = None  # NULL: the library's default


def configure(threads=0, memory=0):
    global _context
    _context = _Context(threads, memory)


cdef mst_context *_ctx():
    return (<_Context>_context).ctx if _context is not None else NULL


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
            self.pairs[i].key = <const char *>k
            self.pairs[i].value = <const char *>v

    def __dealloc__(self):
        free(self.pairs)


def version():
    return mst_version().decode()


def describe(what):
    cdef mst_bytes out
    cdef mst_error err
    memset(&out, 0, sizeof(out))
    cdef bytes name = _utf8(what)
    cdef mst_status status = mst_describe(_ctx(), name, &out, &err)
    if status != MST_OK:
        raise _error(status, &err)
    return _take_json(&out)


def find(pattern, options):
    cdef Call c
    cdef bytes url = _utf8(pattern)
    cdef _Pairs pairs = _Pairs(options)
    found = []
    memset(&c, 0, sizeof(c))
    c.kind = FIND
    c.ctx = _ctx()
    c.text = url
    c.pairs = pairs.pairs
    c.n_pairs = pairs.n
    c.found = <void *>found
    _call(&c)
    return found


# ---- progress ----------------------------------------------------------------------------------------------------------------


cdef void _progress(void *arg, uint64_t done, uint64_t total) noexcept nogil:
    with gil:
        state = <object>arg
        if state[1] is None:
            try:
                state[0](done, total)
            except BaseException as error:  # told to the caller when the native call has ended
                state[1] = error


# ---- source ------------------------------------------------------------------------------------------------------------------


cdef class Source:
    cdef mst_source *source
    cdef _Pairs pairs
    cdef object __weakref__

    def __cinit__(self, url, format, index_at, dialect, options):
        cdef Call c
        cdef mst_source_options o
        cdef bytes url_b = _utf8(url)
        cdef bytes format_b = _utf8(format or "")
        cdef bytes index_b = _utf8(index_at or "")
        cdef bytes dialect_b = _utf8(dialect or "")
        self.pairs = _Pairs(options)
        memset(&c, 0, sizeof(c))
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.format = <const char *>format_b if format else NULL
        o.index_at = <const char *>index_b if index_at else NULL
        o.dialect_json = <const char *>dialect_b if dialect else NULL
        o.config = self.pairs.pairs
        o.n_config = self.pairs.n
        c.kind = OPEN
        c.ctx = _ctx()
        c.text = url_b
        c.source_options = &o
        _call(&c)
        self.source = c.source_out

    def __dealloc__(self):
        mst_source_unref(self.source)

    @property
    def url(self):
        return mst_source_get_url(self.source).decode("utf-8", "surrogateescape")

    @property
    def format(self):
        return mst_source_get_format(self.source).decode()

    @property
    def index_url(self):
        return mst_source_get_index_url(self.source).decode("utf-8", "surrogateescape")

    @property
    def size(self):
        return mst_source_get_size(self.source)

    def show(self):
        cdef Call c
        memset(&c, 0, sizeof(c))
        c.kind = SHOW
        c.source = self.source
        _call(&c)
        return _take_json(&c.out)

    cdef object _index(self, Call *c, mst_index_options *o, spacing, threads, piece_bytes, force, recover, progress):
        memset(c, 0, sizeof(c[0]))
        memset(o, 0, sizeof(o[0]))
        o.struct_size = sizeof(o[0])
        o.spacing = spacing
        o.threads = threads
        o.piece_bytes = piece_bytes
        o.force = force
        o.recover = recover
        c.source = self.source
        c.index_options = o
        if progress is None:
            return None
        state = [progress, None]
        o.progress = _progress
        o.progress_arg = <void *>state
        return state

    def index(self, spacing, threads, piece_bytes, force, recover, dry_run, progress):
        cdef Call c
        cdef mst_index_options o
        state = self._index(&c, &o, spacing, threads, piece_bytes, force, recover, progress)
        o.dry_run = dry_run
        c.kind = INDEX
        _call(&c)
        report = _take_json(&c.out)
        if state is not None and state[1] is not None:
            raise state[1]
        return report

    def pieces(self, spacing, piece_bytes):
        cdef Call c
        cdef mst_index_options o
        self._index(&c, &o, spacing, 0, piece_bytes, False, False, None)
        c.kind = PIECES
        _call(&c)
        return c.n

    def scan(self, i, n, spacing, recover):
        cdef Call c
        cdef mst_index_options o
        self._index(&c, &o, spacing, 0, 0, False, recover, None)
        c.kind = SCAN
        c.i = i
        c.n = n
        _call(&c)
        try:
            return PyBytes_FromStringAndSize(<const char *>c.out.data, <Py_ssize_t>c.out.size)
        finally:
            mst_bytes_release(&c.out)

    def index_from(self, partials, spacing, recover):
        cdef Call c
        cdef mst_index_options o
        cdef size_t n = len(partials)
        cdef const uint8_t[::1] view
        self._index(&c, &o, spacing, 0, 0, True, recover, None)
        cdef mst_bytes *each = <mst_bytes *>calloc(n + 1, sizeof(mst_bytes))
        if each == NULL:
            raise MemoryError
        try:
            for i in range(n):
                each[i].data = <const uint8_t *><const char *>(<bytes>partials[i])
                each[i].size = len(partials[i])
            c.kind = INDEX_FROM
            c.partials = each
            c.n_partials = n
            _call(&c)
        finally:
            free(each)
        return _take_json(&c.out)

    def export(self, kind, to):
        cdef Call c
        cdef bytes kind_b = _utf8(kind)
        cdef bytes to_b = _utf8(to or "")
        memset(&c, 0, sizeof(c))
        c.kind = EXPORT
        c.source = self.source
        c.text = kind_b
        c.text2 = <const char *>to_b if to else NULL
        _call(&c)

    def verify(self, threads, recover, progress):
        cdef Call c
        cdef mst_verify_options o
        memset(&c, 0, sizeof(c))
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.threads = threads
        o.recover = recover
        state = [progress, None]
        if progress is not None:
            o.progress = _progress
            o.progress_arg = <void *>state
        c.kind = VERIFY
        c.source = self.source
        c.verify_options = &o
        try:
            _call(&c)
        except BaseException:
            mst_bytes_release(&c.out)
            raise
        report = _take_json(&c.out)
        if state[1] is not None:
            raise state[1]
        return report

    def slices(self, n, size, records, strategy, region, where, options):
        cdef Call c
        cdef mst_query q
        cdef bytes strategy_b = _utf8(strategy or "")
        cdef bytes region_b = _utf8(region or "")
        cdef bytes where_b = _utf8(where or "")
        cdef bytes options_b = _utf8(options or "")
        cdef size_t i
        memset(&c, 0, sizeof(c))
        memset(&q, 0, sizeof(q))
        q.struct_size = sizeof(q)
        q.slices = n
        q.slice_bytes = size
        q.slice_records = records
        q.strategy = <const char *>strategy_b if strategy is not None else NULL
        q.region = <const char *>region_b if region is not None else NULL
        q.where = <const char *>where_b if where is not None else NULL
        q.options_json = <const char *>options_b if options else NULL
        c.kind = PLAN
        c.source = self.source
        c.query = &q
        _call(&c)
        try:
            return [_wrap_slice(mst_plan_take(c.plan_out, i)) for i in range(mst_plan_get_count(c.plan_out))]
        finally:
            mst_plan_unref(c.plan_out)


# ---- slice -------------------------------------------------------------------------------------------------------------------


cdef Slice _wrap_slice(mst_slice *s):
    cdef Slice self = Slice.__new__(Slice)
    self.slice = s
    return self


cdef class Slice:
    cdef mst_slice *slice
    cdef object __weakref__

    def __dealloc__(self):
        mst_slice_unref(self.slice)

    @staticmethod
    def parse(text, options):
        cdef Slice self = Slice.__new__(Slice)
        cdef mst_error err
        cdef bytes text_b = _utf8(text)
        cdef _Pairs pairs = _Pairs(options)
        cdef mst_status status = mst_slice_parse(_ctx(), <const char *>text_b, len(text_b), pairs.pairs, pairs.n, &self.slice, &err)
        if status != MST_OK:
            raise _error(status, &err)
        return self

    @property
    def json(self):
        return mst_slice_get_json(self.slice).decode("utf-8", "surrogateescape")

    @property
    def url(self):
        return mst_slice_get_url(self.slice).decode("utf-8", "surrogateescape")

    @property
    def format(self):
        return mst_slice_get_format(self.slice).decode()

    @property
    def records(self):
        cdef uint64_t n = mst_slice_get_records(self.slice)
        return None if n == MST_UNKNOWN else n

    @property
    def bytes(self):
        cdef uint64_t n = mst_slice_get_bytes(self.slice)
        return None if n == MST_UNKNOWN else n

    def describe(self):
        cdef Call c
        memset(&c, 0, sizeof(c))
        c.kind = DESCRIBE
        c.slice = self.slice
        _call(&c)
        return _take_json(&c.out)

    def read(self, header, recover):
        cdef Call c
        cdef mst_read_options o
        memset(&c, 0, sizeof(c))
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.header = header
        o.recover = recover
        c.kind = READ
        c.slice = self.slice
        c.read_options = &o
        _call(&c)
        try:
            return PyBytes_FromStringAndSize(<const char *>c.out.data, <Py_ssize_t>c.out.size)
        finally:
            mst_bytes_release(&c.out)

    def reader(self, header, recover):
        cdef Call c
        cdef mst_read_options o
        cdef Reader r = Reader.__new__(Reader)
        memset(&c, 0, sizeof(c))
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.header = header
        o.recover = recover
        r.cancel = mst_cancel_new(_ctx())
        c.kind = READER
        c.slice = self.slice
        c.read_options = &o
        c.cancel = r.cancel
        _call(&c)
        r.reader = c.reader_out
        return r

    def stream(self, options):
        cdef Call c
        cdef mst_read_options o
        cdef bytes options_b = _utf8(options or "")
        cdef Stream s = Stream.__new__(Stream)
        memset(&c, 0, sizeof(c))
        memset(&o, 0, sizeof(o))
        o.struct_size = sizeof(o)
        o.options_json = <const char *>options_b if options else NULL
        s.cancel = mst_cancel_new(_ctx())
        c.kind = STREAM
        c.slice = self.slice
        c.read_options = &o
        c.stream = &s.stream
        c.cancel = s.cancel
        _call(&c)
        return s


cdef class Reader:
    """The pieces of a slice, in order; one thread at a time."""
    cdef mst_reader *reader
    cdef mst_cancel *cancel

    def __dealloc__(self):
        mst_reader_free(self.reader)
        mst_cancel_unref(self.cancel)

    def next(self):
        cdef Call c
        if self.reader == NULL:
            raise ValueError("the reader is closed")
        memset(&c, 0, sizeof(c))
        c.kind = NEXT
        c.reader = self.reader
        c.cancel = self.cancel
        _call(&c)
        cdef Piece p = Piece.__new__(Piece)
        p.bytes = c.out
        return p

    def close(self):
        cdef mst_reader *r = self.reader
        self.reader = NULL
        with nogil:
            mst_reader_free(r)


cdef class Piece:
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


# ---- Arrow -------------------------------------------------------------------------------------------------------------------


cdef void _drop_stream(object capsule) noexcept:
    cdef ArrowArrayStream *s = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if s.release != NULL:
        s.release(s)
    free(s)


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


cdef class Stream:
    cdef ArrowArrayStream stream
    cdef mst_cancel *cancel
    cdef bint taken

    def __dealloc__(self):
        if self.stream.release != NULL:
            self.stream.release(&self.stream)
        mst_cancel_unref(self.cancel)

    cdef int _check(self) except -1:
        if self.taken or self.stream.release == NULL:
            raise _make_error(-1, "this stream was handed over already; a stream is read once", "", -1, "", 0, False)
        return 0

    cdef object _failed(self):
        cdef mst_error err
        if mst_stream_get_error(&self.stream, &err):
            return _error(err.status, &err)
        text = self.stream.get_last_error(&self.stream)
        return _make_error(-14, text.decode("utf-8", "replace") if text != NULL else "the stream failed", "", -1, "", 0, False)

    def schema_capsule(self):
        cdef ArrowSchema *s
        self._check()
        s = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
        if s == NULL:
            raise MemoryError
        if self.stream.get_schema(&self.stream, s) != 0:
            free(s)
            raise self._failed()
        return PyCapsule_New(s, "arrow_schema", _drop_schema)

    def stream_capsule(self):
        cdef ArrowArrayStream *s
        self._check()
        s = <ArrowArrayStream *>calloc(1, sizeof(ArrowArrayStream))
        if s == NULL:
            raise MemoryError
        s[0] = self.stream
        memset(&self.stream, 0, sizeof(self.stream))
        self.taken = True
        return PyCapsule_New(s, "arrow_array_stream", _drop_stream)

    def next_capsule(self):
        """The next batch, or None at the end."""
        cdef Call c
        cdef ArrowArray *a
        self._check()
        a = <ArrowArray *>calloc(1, sizeof(ArrowArray))
        if a == NULL:
            raise MemoryError
        memset(&c, 0, sizeof(c))
        c.kind = BATCH
        c.stream = &self.stream
        c.array = a
        c.cancel = self.cancel
        try:
            _call(&c)
        except BaseException:
            if a.release != NULL:
                a.release(a)
            free(a)
            raise
        if c.status != 0:
            free(a)
            raise self._failed()
        if a.release == NULL:
            free(a)
            return None
        return PyCapsule_New(a, "arrow_array", _drop_array)
