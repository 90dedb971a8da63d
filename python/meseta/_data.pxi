# Arrow in: what other libraries give by the PyCapsule protocol, and columns made of Python buffers.


cdef void _release_lent(Py_buffer *view) noexcept nogil:
    if Py_IsInitialized():
        with gil:
            PyBuffer_Release(view)


@cython.final
cdef class Input:
    """Batches on their way into the library: one frame, read once."""
    cdef ArrowArrayStream stream
    cdef Schema known

    def __dealloc__(self):
        if self.stream.release != NULL:
            with nogil:
                self.stream.release(&self.stream)

    @staticmethod
    def of_stream(object capsule):
        """Takes the stream out of a capsule of ``__arrow_c_stream__``."""
        cdef Input self = Input.__new__(Input)
        cdef ArrowArrayStream *s = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
        if s.release == NULL:
            raise ArgumentError("this Arrow stream was read already")
        self.stream = s[0]
        s.release = NULL
        return self

    @staticmethod
    def of_array(object schema, object array):
        """Takes the rows out of the capsules of ``__arrow_c_array__``."""
        cdef ArrowSchema *s = <ArrowSchema *>PyCapsule_GetPointer(schema, "arrow_schema")
        cdef ArrowArray *a = <ArrowArray *>PyCapsule_GetPointer(array, "arrow_array")
        if s.release == NULL or a.release == NULL:
            raise ArgumentError("this Arrow array was handed over already")
        return _input_of(s, a)

    @staticmethod
    def of_own(Stream stream):
        """Takes the rest of one of our own streams, so that its errors keep their class."""
        cdef Input self = Input.__new__(Input)
        stream._take()
        try:
            if stream.failure is not None:
                raise stream.failure
            self.known = stream._schema()
            self.stream = stream.stream
            memset(&stream.stream, 0, sizeof(stream.stream))
        finally:
            stream.lock.release()
        return self

    @staticmethod
    def of_columns(list columns, length):
        """One batch of columns, which it shares."""
        cdef Column whole = Column("+s", "", length, 0, [None], columns, None, 0, None)
        cdef ArrowSchema s
        cdef ArrowArray a
        whole._export(&s, &a)
        try:
            return _input_of(&s, &a)
        finally:
            if s.release != NULL:
                s.release(&s)
            if a.release != NULL:
                a.release(&a)

    def schema(self):
        cdef Call c
        cdef Schema found
        if self.known is None:
            if self.stream.release == NULL:
                raise ArgumentError("this data was read already")
            found = Schema.__new__(Schema)
            _begin(&c, _get_schema)
            c.stream = &self.stream
            c.schema = &found.schema
            _end(&c)
            if strcmp(found.schema.format, "+s") != 0:
                raise ArgumentError(
                    f"data must be a table, that is rows of named columns, not one column of {_text(found.schema.format)!r}"
                )
            self.known = found
        return self.known


cdef Input _input_of(ArrowSchema *s, ArrowArray *a):
    """Moves both into a stream of one batch; on failure they stay with the caller."""
    cdef Input self = Input.__new__(Input)
    cdef mst_py_batches *all = <mst_py_batches *>_room(sizeof(mst_py_batches))
    if not mst_py_batches_add(all, a):
        mst_py_batches_free(all)
        raise MemoryError
    all.schema = s[0]
    memset(s, 0, sizeof(s[0]))
    mst_py_batches_stream(all, &self.stream)
    return self


@cython.final
cdef class Column:
    """An Arrow array whose memory belongs to Python objects with the buffer protocol."""
    cdef str format
    cdef str name
    cdef int64_t length
    cdef int64_t null_count
    cdef list buffers
    cdef list children
    cdef Column dictionary
    cdef int64_t flags
    cdef bytes metadata

    def __init__(self, format, name, length, null_count, buffers, children, dictionary, flags, metadata):
        self.format = format
        self.name = name
        self.length = length
        self.null_count = null_count
        self.buffers = buffers
        self.children = children
        self.dictionary = dictionary
        self.flags = flags
        self.metadata = metadata

    cdef int _export(self, ArrowSchema *schema, ArrowArray *array) except -1:
        """Fills both, which own references to all they need."""
        cdef Column child
        cdef bytes format = _utf8(self.format)
        cdef bytes name = self.name.encode("utf-8", "surrogatepass")
        cdef size_t n = len(self.buffers)
        cdef size_t n_children = len(self.children)
        memset(schema, 0, sizeof(schema[0]))
        memset(array, 0, sizeof(array[0]))
        if not mst_py_column_begin(schema, array, format, name, self.flags, n, n_children, self.dictionary is not None):
            raise MemoryError
        try:
            if self.metadata is not None and not mst_py_column_metadata(schema, self.metadata, len(self.metadata)):
                raise MemoryError
            array.length = self.length
            array.null_count = self.null_count
            for i in range(n):
                if self.buffers[i] is not None:
                    PyObject_GetBuffer(self.buffers[i], mst_py_column_view(array, i), PyBUF_SIMPLE)
                    mst_py_column_lend(array, i)
            for i in range(n_children):
                child = self.children[i]
                child._export(schema.children[i], array.children[i])
            if self.dictionary is not None:
                self.dictionary._export(schema.dictionary, array.dictionary)
        except BaseException:
            schema.release(schema)
            array.release(array)
            raise
        return 0
