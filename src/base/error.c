/* base/error.c - filling, naming and prefixing mst_error values. Owns nothing, allocates nothing. Calls libc and the
 * UTF-8 check of base/text.h, because a message is UTF-8 whatever bytes went into it. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { PREFIX_MAX = 320 };

const char *mst_version(void) { return MST_VERSION; }

const char *mst_status_name(mst_status status) {
  switch (status) {
  case MST_OK: return "MST_OK";
  case MST_E_ARGUMENT: return "MST_E_ARGUMENT";
  case MST_E_NO_MEMORY: return "MST_E_NO_MEMORY";
  case MST_E_LIMIT: return "MST_E_LIMIT";
  case MST_E_NOT_FOUND: return "MST_E_NOT_FOUND";
  case MST_E_EXISTS: return "MST_E_EXISTS";
  case MST_E_DENIED: return "MST_E_DENIED";
  case MST_E_CHANGED: return "MST_E_CHANGED";
  case MST_E_CONFLICT: return "MST_E_CONFLICT";
  case MST_E_CORRUPT: return "MST_E_CORRUPT";
  case MST_E_UNSUPPORTED: return "MST_E_UNSUPPORTED";
  case MST_E_IO: return "MST_E_IO";
  case MST_E_TIMEOUT: return "MST_E_TIMEOUT";
  case MST_E_CANCELLED: return "MST_E_CANCELLED";
  case MST_E_INTERNAL: return "MST_E_INTERNAL";
  }
  return "MST_E_UNKNOWN";
}

/* The largest length <= n at which `text` can be cut without splitting a character. */
static size_t cut_before(const char *text, size_t n) {
  while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
  return n;
}

static size_t cut_after(const char *text, size_t size, size_t at) {
  while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80) at++;
  return at;
}

/* Foreign bytes reach terminals and logs through messages: what is not UTF-8, and control characters that could steer
 * a terminal, become '?'. */
static void make_printable(char *text) {
  size_t size = strlen(text), at = 0, bad;
  while (!mst_utf8_valid(text + at, size - at, &bad)) {
    text[at + bad] = '?';
    at += bad + 1;
  }
  for (char *p = text; *p != '\0'; p++) {
    unsigned char c = (unsigned char)*p;
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) *p = '?';
  }
}

/* Copies `text` of `size` bytes into `out`; when it is too long the middle gives way to an ellipsis. */
static void copy_middle_cut(char *out, size_t capacity, const char *text, size_t size) {
  static const char gap[] = "\xE2\x80\xA6";
  size_t room, head, tail;
  if (size < capacity) {
    memcpy(out, text, size);
    out[size] = '\0';
    return;
  }
  room = capacity - sizeof gap;
  head = cut_before(text, room / 2);
  tail = cut_after(text, size, size - (room - room / 2));
  memcpy(out, text, head);
  memcpy(out + head, gap, sizeof gap - 1);
  memcpy(out + head + sizeof gap - 1, text + tail, size - tail);
  out[head + sizeof gap - 1 + size - tail] = '\0';
}

/* The largest length <= n that does not end within a character, where what follows byte n is gone already. */
static size_t whole_characters(const char *text, size_t n) {
  size_t lead = n;
  while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80) lead--;
  if (lead == 0 || (unsigned char)text[lead - 1] < 0xC0) return n;
  return mst_utf8_valid(text + lead - 1, n - lead + 1, NULL) ? n : lead - 1;
}

/* The arguments may point into the very error that is being filled, hence the detour. */
static void print_message(char *out, size_t capacity, const char *format, va_list args) {
  int n = vsnprintf(out, capacity, format, args);
  if (n < 0) out[0] = '\0';
  else if ((size_t)n >= capacity) out[whole_characters(out, capacity - 1)] = '\0';
  make_printable(out);
}

void mst_error_clear(mst_error *err) {
  if (err == NULL) return;
  *err = (mst_error){.offset = -1};
}

mst_status mst_fail_v(mst_error *err, mst_status status, const char *format, va_list args) {
  char message[sizeof err->message];
  if (err == NULL) return status;
  print_message(message, sizeof message, format, args);
  mst_error_clear(err);
  err->status = status;
  memcpy(err->message, message, strlen(message) + 1);
  return status;
}

mst_status(mst_fail)(mst_error *err, mst_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  mst_fail_v(err, status, format, args);
  va_end(args);
  return status;
}

mst_status(mst_fail_at)(mst_error *err, mst_status status, uint64_t offset, const char *format, ...) {
  va_list args;
  va_start(args, format);
  mst_fail_v(err, status, format, args);
  va_end(args);
  if (err != NULL && offset <= INT64_MAX) err->offset = (int64_t)offset;
  return status;
}

mst_status(mst_fail_memory)(mst_error *err) { return mst_fail(err, MST_E_NO_MEMORY, "out of memory"); }

static mst_status status_of_errno(int os_errno) {
  switch (os_errno) {
  case ENOENT:
  case ENOTDIR: return MST_E_NOT_FOUND;
  case EEXIST:
  case ENOTEMPTY: return MST_E_EXISTS;
  case EACCES:
  case EPERM:
  case EROFS: return MST_E_DENIED;
  case ENOMEM: return MST_E_NO_MEMORY;
  case ENAMETOOLONG:
  case EINVAL:
  case ELOOP: return MST_E_ARGUMENT;
  case ENOSYS:
  case EOPNOTSUPP: return MST_E_UNSUPPORTED;
  case ETIMEDOUT: return MST_E_TIMEOUT;
  default: return MST_E_IO;
  }
}

static bool errno_passes(int os_errno) {
  switch (os_errno) {
  case EAGAIN:
  case EINTR:
  case EBUSY:
  case EMFILE:
  case ENFILE:
  case ENOMEM:
  case ETIMEDOUT:
  case ECONNRESET:
  case ECONNREFUSED:
  case ECONNABORTED:
  case EPIPE:
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ESTALE: return true;
  default: return false;
  }
}

/* strerror without its shared buffer. The C library chooses between two signatures. */
static const char *errno_text(int os_errno, char *room, size_t size) {
#if defined(__GLIBC__)
  return strerror_r(os_errno, room, size);
#else
  return strerror_r(os_errno, room, size) == 0 ? room : "unknown error";
#endif
}

mst_status(mst_fail_errno)(mst_error *err, int os_errno, const char *format, ...) {
  char message[sizeof err->message], room[128];
  const mst_status status = status_of_errno(os_errno);
  va_list args;
  if (err == NULL) return status;
  va_start(args, format);
  print_message(message, sizeof message, format, args);
  va_end(args);
  mst_fail(err, status, "%s: %s", message, errno_text(os_errno, room, sizeof room));
  err->os_errno = os_errno;
  err->retryable = errno_passes(os_errno);
  return status;
}

/* A foreign store or format may fail without filling the error, or leave an older one in it. */
static void settle(mst_error *err, mst_status status) {
  if (err->status == status) return;
  mst_error_clear(err);
  err->status = status;
}

mst_status mst_error_name(mst_error *err, mst_status status, const char *url) {
  if (err == NULL || status == MST_OK) return status;
  settle(err, status);
  if (err->object[0] != '\0' || url == NULL) return status;
  copy_middle_cut(err->object, sizeof err->object, url, strlen(url));
  make_printable(err->object);
  return status;
}

mst_status mst_while(mst_error *err, mst_status status, const char *format, ...) {
  char text[sizeof err->message], prefix[PREFIX_MAX], whole[sizeof err->message + PREFIX_MAX + 4];
  va_list args;
  size_t size;
  if (err == NULL || status == MST_OK) return status;
  settle(err, status);
  va_start(args, format);
  print_message(text, sizeof text, format, args);
  va_end(args);
  copy_middle_cut(prefix, sizeof prefix, text, strlen(text));
  size = (size_t)snprintf(whole, sizeof whole, "%s: %s", prefix,
                          err->message[0] != '\0' ? err->message : mst_status_name(status));
  if (size >= sizeof err->message) size = cut_before(whole, sizeof err->message - 1);
  memcpy(err->message, whole, size);
  err->message[size] = '\0';
  return status;
}

#ifdef MST_CHECKED
void mst_assert_failed(const char *what, const char *file, int line) {
  fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, what);
  abort();
}
#endif
