/* tests/store/test_file.c - the conformance suite over folders, and what is special to them: links, pipes, names,
 * leftovers. */
#include "store/conformance.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char base[PATH_MAX];

static mst_store *open_folder(mst_context *ctx, const char *path) {
  mst_store *s = NULL;
  mst_error err = {0};
  mst_status status = mst_store_open_url(ctx, path, NULL, 0, &s, &err);
  if (status != MST_OK) print_message("%s: %s\n", path, err.message);
  assert_int_equal(status, MST_OK);
  return s;
}

/* A fresh folder below the base. */
static mst_store *open_place(const mst_conformance *c, mst_context *ctx) {
  static int places;
  char path[PATH_MAX + 32];
  (void)c;
  (void)snprintf(path, sizeof path, "%s/place %%41-%d", base, ++places);
  assert_int_equal(mkdir(path, 0777), 0);
  return open_folder(ctx, path);
}

static mst_store *place(char *path) {
  mst_store *s = open_place(NULL, NULL);
  strcpy(path, mst_store_url(s) + strlen("file://"));
  return s;
}

static char *join(const char *folder, const char *name) {
  static char text[2 * PATH_MAX];
  (void)snprintf(text, sizeof text, "%s/%s", folder, name);
  return text;
}

static int count_names(const char *folder) {
  DIR *d = opendir(folder);
  int n = 0;
  for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
  closedir(d);
  return n;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void paths_and_urls_name_the_same_place(void **state) {
  char path[PATH_MAX], url[PATH_MAX + 16];
  mst_location l;
  mst_store *s = place(path);
  (void)state;
  assert_int_equal(conf_put_text(s, "sub/100%.txt", "1"), MST_OK);
  (void)snprintf(url, sizeof url, "file://%s/sub/100%%.txt", path);
  assert_int_equal(mst_location_open(NULL, url, NULL, 0, &l, NULL), MST_OK);
  assert_string_equal(l.key, "100%.txt");
  assert_false(l.is_prefix);
  assert_int_equal(conf_head(l.store, l.key, NULL, NULL), MST_OK);
  mst_location_close(&l);
  assert_int_equal(mst_location_open(NULL, url + strlen("file://"), NULL, 0, &l, NULL), MST_OK);
  assert_int_equal(conf_head(l.store, l.key, NULL, NULL), MST_OK);
  mst_location_close(&l);
  /* relative ones become absolute, so that another process finds them */
  assert_int_equal(chdir(path), 0);
  assert_int_equal(mst_location_open(NULL, "./sub//../sub/100%.txt", NULL, 0, &l, NULL), MST_OK);
  assert_int_equal(conf_head(l.store, l.key, NULL, NULL), MST_OK);
  (void)snprintf(url, sizeof url, "file://%s/sub", path);
  assert_string_equal(mst_store_url(l.store), url);
  mst_location_close(&l);
  assert_int_equal(mst_location_open(NULL, "sub/", NULL, 0, &l, NULL), MST_OK);
  assert_string_equal(l.key, "");
  assert_true(l.is_prefix);
  mst_location_close(&l);
  assert_int_equal(mst_location_open(NULL, "sub/*/x[0-9].txt", NULL, 0, &l, NULL), MST_OK);
  assert_string_equal(l.key, "*/x[0-9].txt");
  assert_string_equal(mst_store_url(l.store), url);
  mst_location_close(&l);
  assert_int_equal(mst_location_open(NULL, ".", NULL, 0, &l, NULL), MST_OK);
  assert_true(l.is_prefix);
  mst_location_close(&l);
  mst_store_unref(s);
}

static void keys_stay_below_the_root(void **state) {
  static const char *const bad[] = {"../x",  "a/../../x", "/etc/passwd", "..", "a/..", "./x",
                                    "a/./b", "a//b",      "//a",         "a/", "/"};
  char path[PATH_MAX];
  char b[4];
  mst_error err;
  mst_store *s = place(path);
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(conf_head(s, bad[i], NULL, &err), MST_E_ARGUMENT);
    assert_int_equal(conf_get(s, bad[i], 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_ARGUMENT);
    assert_int_equal(conf_put(s, bad[i], "x", 1, MST_PUT_REPLACE, NULL, NULL, &err), MST_E_ARGUMENT);
    assert_int_equal(conf_delete(s, &bad[i], 1, &err), MST_E_ARGUMENT);
    assert_non_null(strstr(err.message, bad[i]));
  }
  mst_status status;
  assert_null(conf_list(s, "../", NULL, 0, &status));
  assert_int_equal(status, MST_E_ARGUMENT);
  assert_null(conf_list(s, "/", NULL, 0, &status));
  assert_int_equal(status, MST_E_ARGUMENT);
  assert_int_equal(count_names(path), 0);
  mst_store_unref(s);
}

static void links_are_followed_and_loops_are_not(void **state) {
  char path[PATH_MAX];
  mst_status status;
  mst_store *s = place(path);
  (void)state;
  assert_int_equal(conf_put_text(s, "real/file", "1"), MST_OK);
  assert_int_equal(symlink("real", join(path, "linked")), 0);
  assert_int_equal(symlink("..", join(path, "real/up")), 0);
  assert_int_equal(symlink("nowhere", join(path, "dangling")), 0);
  assert_int_equal(symlink("self", join(path, "self")), 0);
  char *listed = conf_list(s, "", NULL, 0, &status);
  assert_int_equal(status, MST_OK);
  assert_string_equal(listed, "linked/file\nreal/file\n");
  free(listed);
  assert_int_equal(conf_head(s, "linked/file", NULL, NULL), MST_OK);
  assert_int_equal(conf_head(s, "dangling", NULL, NULL), MST_E_NOT_FOUND);
  mst_store_unref(s);
}

static void what_is_no_file_is_refused(void **state) {
  char path[PATH_MAX], b[4];
  mst_error err;
  mst_status status;
  mst_store *s = place(path);
  (void)state;
  assert_int_equal(mkfifo(join(path, "pipe"), 0666), 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int sock = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(chdir(path), 0);
  strcpy(address.sun_path, "sock");
  assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(conf_get(s, "pipe", 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_UNSUPPORTED);
  assert_non_null(strstr(err.message, "pipe"));
  assert_int_equal(conf_head(s, "pipe", NULL, &err), MST_E_UNSUPPORTED);
  assert_int_equal(conf_get(s, "sock", 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_UNSUPPORTED);
  mst_store *dev = open_folder(NULL, "/dev");
  assert_int_equal(conf_get(dev, "null", 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_UNSUPPORTED);
  assert_non_null(strstr(err.message, "device"));
  mst_store_unref(dev);
  char *listed = conf_list(s, "", NULL, 0, &status);
  assert_string_equal(listed, "");
  free(listed);
  assert_int_equal(conf_put_text(s, "d/x", "1"), MST_OK);
  assert_int_equal(conf_get(s, "d", 0, 4, false, NULL, b, NULL, NULL, &err), MST_E_NOT_FOUND);
  assert_non_null(strstr(err.message, "folder"));
  close(sock);
  mst_store_unref(s);
}

static void a_file_cannot_be_a_folder_too(void **state) {
  char path[PATH_MAX];
  mst_error err;
  mst_store *s = place(path);
  (void)state;
  assert_int_equal(conf_put_text(s, "a", "1"), MST_OK);
  assert_int_equal(conf_put(s, "a/b", "2", 1, MST_PUT_REPLACE, NULL, NULL, &err), MST_E_UNSUPPORTED);
  assert_int_equal(conf_put_text(s, "d/x", "1"), MST_OK);
  assert_int_equal(conf_put(s, "d", "2", 1, MST_PUT_REPLACE, NULL, NULL, &err), MST_E_UNSUPPORTED);
  assert_int_equal(conf_put(s, "d", "2", 1, MST_PUT_CREATE, NULL, NULL, &err), MST_E_UNSUPPORTED);
  assert_int_equal(count_names(path), 2);
  assert_int_equal(count_names(join(path, "d")), 1);
  mst_store_unref(s);
}

static void the_root_may_be_missing(void **state) {
  char path[2 * PATH_MAX];
  mst_status status;
  (void)state;
  (void)snprintf(path, sizeof path, "%s/not/there/yet", base);
  mst_store *s = open_folder(NULL, path);
  assert_int_equal(conf_head(s, "x", NULL, NULL), MST_E_NOT_FOUND);
  assert_null(conf_list(s, "", NULL, 0, &status));
  assert_int_equal(status, MST_E_NOT_FOUND);
  const char *keys[] = {"x"};
  assert_int_equal(conf_delete(s, keys, 1, NULL), MST_OK);
  assert_int_equal(conf_put_text(s, "deep/er/x", "1"), MST_OK);
  assert_int_equal(conf_head(s, "deep/er/x", NULL, NULL), MST_OK);
  mst_store_unref(s);
}

/* ---- temporary files --------------------------------------------------------------------------------------------- */

static void unfinished_files_are_no_objects(void **state) {
  char path[PATH_MAX], b[4];
  mst_status status;
  mst_store *s = place(path);
  (void)state;
  mst_test_write_file(join(path, ".meseta-0123.tmp"), "x", 1);
  mst_test_write_file(join(path, ".hidden"), "x", 1);
  char *listed = conf_list(s, "", NULL, 0, &status);
  assert_string_equal(listed, ".hidden\n");
  free(listed);
  assert_int_equal(conf_get(s, ".meseta-0123.tmp", 0, 4, false, NULL, b, NULL, NULL, NULL), MST_E_ARGUMENT);
  mst_store_unref(s);
}

static void foreign_upload_ids_reach_nothing(void **state) {
  static const char *const ids[] = {
      "", "0/../x", "0/x", "0/.meseta-a/../../x.tmp", "/.meseta-1.tmp", "99999/.meseta-1.tmp", "0"};
  char path[PATH_MAX];
  mst_store *s = place(path);
  (void)state;
  mst_test_write_file(join(path, "x"), "x", 1);
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    mst_op op = mst_op_make(MST_OP_UPLOAD_ABORT, "k");
    op.upload = ids[i];
    assert_int_equal(mst_store_perform(s, &op, NULL), MST_OK);
    op = mst_op_make(MST_OP_UPLOAD_PART, "k");
    op.upload = ids[i];
    op.part = 1;
    op.data = (const uint8_t *)"1";
    op.n_data = 1;
    assert_int_equal(mst_store_perform(s, &op, NULL), MST_E_NOT_FOUND);
  }
  assert_int_equal(count_names(path), 1);
  mst_store_unref(s);
}

/* ---- changes from outside ---------------------------------------------------------------------------------------- */

static void every_way_of_changing_a_file_is_seen(void **state) {
  char path[PATH_MAX], b[16];
  mst_pin pin;
  struct timespec times[2];
  struct stat st;
  mst_store *s = place(path);
  (void)state;
  char *file = strdup(join(path, "f"));
  char *other = strdup(join(path, "g"));
  mst_test_write_file(file, "0123456789", 10);
  assert_int_equal(conf_head(s, "f", &pin, NULL), MST_OK);
  assert_int_equal(conf_get(s, "f", 0, 4, false, &pin, b, NULL, NULL, NULL), MST_OK);
  /* grown, of the same time */
  assert_int_equal(stat(file, &st), 0);
  times[0] = st.st_atim;
  times[1] = st.st_mtim;
  FILE *f = fopen(file, "a");
  fputc('x', f);
  fclose(f);
  utimensat(AT_FDCWD, file, times, 0);
  assert_int_equal(conf_get(s, "f", 0, 4, false, &pin, b, NULL, NULL, NULL), MST_E_CHANGED);
  assert_int_equal(truncate(file, 10), 0);
  utimensat(AT_FDCWD, file, times, 0);
  assert_int_equal(conf_get(s, "f", 0, 4, false, &pin, b, NULL, NULL, NULL), MST_OK);
  /* written in place, of the same size */
  f = fopen(file, "r+");
  fputc('x', f);
  fclose(f);
  assert_int_equal(conf_get(s, "f", 0, 4, false, &pin, b, NULL, NULL, NULL), MST_E_CHANGED);
  utimensat(AT_FDCWD, file, times, 0);
  /* another file of the same size and time */
  mst_test_write_file(other, "9876543210", 10);
  utimensat(AT_FDCWD, other, times, 0);
  assert_int_equal(rename(other, file), 0);
  assert_int_equal(conf_get(s, "f", 0, 4, false, &pin, b, NULL, NULL, NULL), MST_E_CHANGED);
  free(file);
  free(other);
  mst_store_unref(s);
}

static void etags_never_come_back(void **state) {
  char path[PATH_MAX];
  char seen[200][168];
  mst_store *s = place(path);
  (void)state;
  for (int i = 0; i < 200; i++) {
    mst_pin info;
    assert_int_equal(conf_put(s, "same", "12", 2, MST_PUT_REPLACE, NULL, &info, NULL), MST_OK);
    memcpy(seen[i], info.etag, sizeof seen[i]);
    for (int j = 0; j < i; j++) assert_string_not_equal(seen[j], seen[i]);
  }
  mst_store_unref(s);
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

typedef struct late_cancel {
  mst_cancel *cancel;
} late_cancel;

static void *cancel_soon(void *arg) {
  usleep(50000);
  mst_cancel_request(((late_cancel *)arg)->cancel);
  return NULL;
}

static void waiting_for_a_lock_can_be_cancelled(void **state) {
  char path[PATH_MAX];
  mst_store *s = place(path);
  mst_pin pin;
  pthread_t thread;
  (void)state;
  assert_int_equal(conf_put(s, "k", "1", 1, MST_PUT_REPLACE, NULL, &pin, NULL), MST_OK);
  int folder = open(path, O_RDONLY | O_DIRECTORY);
  assert_int_equal(flock(folder, LOCK_EX), 0);
  late_cancel late = {.cancel = mst_cancel_new(NULL)};
  pthread_create(&thread, NULL, cancel_soon, &late);
  mst_op op = mst_op_make(MST_OP_PUT, "k");
  op.data = (const uint8_t *)"2";
  op.n_data = 1;
  op.put_mode = MST_PUT_IF_MATCH;
  op.pin = &pin;
  op.cancel = late.cancel;
  assert_int_equal(mst_store_perform(s, &op, NULL), MST_E_CANCELLED);
  pthread_join(thread, NULL);
  mst_cancel_unref(late.cancel);
  close(folder);
  assert_int_equal(count_names(path), 1);
  assert_int_equal(conf_put(s, "k", "2", 1, MST_PUT_IF_MATCH, pin.etag, NULL, NULL), MST_OK);
  mst_store_unref(s);
}

/* ---- listings ---------------------------------------------------------------------------------------------------- */

static void pages_go_on_without_their_walk(void **state) {
  char path[PATH_MAX];
  mst_store *s = place(path);
  (void)state;
  for (int i = 0; i < 40; i++) {
    char key[32];
    (void)snprintf(key, sizeof key, "%c/%c/%02d", 'a' + i / 10, 'x' + i % 2, i);
    assert_int_equal(conf_put_text(s, key, "1"), MST_OK);
  }
  mst_status status;
  char *whole = conf_list(s, "", NULL, 0, &status);
  char *pieces = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&pieces, &n);
  char *token = NULL;
  for (;;) {
    /* each page from a store of its own, which knows of no walk; and twice, which must give the same */
    mst_store *fresh = open_folder(NULL, path);
    mst_page page, again;
    mst_op op = mst_op_make(MST_OP_LIST, NULL);
    op.page_max = 3;
    op.token = token;
    mst_page_init(&page, NULL);
    mst_page_init(&again, NULL);
    op.page = &page;
    assert_int_equal(mst_store_perform(fresh, &op, NULL), MST_OK);
    op.page = &again;
    assert_int_equal(mst_store_perform(fresh, &op, NULL), MST_OK);
    assert_int_equal(page.n, again.n);
    for (size_t i = 0; i < page.n; i++) {
      assert_string_equal(page.entries[i].key, again.entries[i].key);
      fprintf(out, "%s\n", page.entries[i].key);
    }
    free(token);
    token = page.next == NULL ? NULL : strdup(page.next);
    mst_page_free(&page);
    mst_page_free(&again);
    mst_store_unref(fresh);
    if (token == NULL) break;
  }
  fclose(out);
  assert_string_equal(pieces, whole);
  free(pieces);
  free(whole);
  mst_op bad = mst_op_make(MST_OP_LIST, NULL);
  mst_page page;
  mst_page_init(&page, NULL);
  bad.page = &page;
  bad.token = "nonsense";
  assert_int_equal(mst_store_perform(s, &bad, NULL), MST_E_ARGUMENT);
  mst_page_free(&page);
  mst_store_unref(s);
}

/* ---- allocations ------------------------------------------------------------------------------------------------- */

static mst_status list_with(mst_context *ctx, mst_store *s, uint32_t page_max, mst_error *err) {
  mst_page page;
  mst_status status = MST_OK;
  char *token = NULL;
  mst_page_init(&page, mst_context_mem(ctx));
  do {
    mst_op op = mst_op_make(MST_OP_LIST, NULL);
    op.page = &page;
    op.page_max = page_max;
    op.token = token;
    mst_page_clear(&page);
    MST_TRY(mst_store_perform(s, &op, err));
    free(token);
    token = page.next != NULL ? strdup(page.next) : NULL;
  } while (token != NULL);
done:
  free(token);
  mst_page_free(&page);
  return status;
}

static void each_allocation_fails_in_turn(void **state) {
  char path[PATH_MAX];
  mst_store *outside = place(path);
  (void)state;
  for (int i = 0; i < 200; i++) {
    char key[32];
    (void)snprintf(key, sizeof key, "%d/%d/%d", i % 3, i % 7, i);
    assert_int_equal(conf_put_text(outside, key, "1"), MST_OK);
  }
  for (long n = 1;; n++) {
    mst_test_allocator a;
    mst_context_options options = MST_CONTEXT_OPTIONS_INIT;
    mst_context *ctx = NULL;
    mst_store *s = NULL;
    mst_status status = MST_OK;
    mst_error err = {0};
    mst_test_allocator_init(&a, n, false);
    options.allocator = &a.allocator;
    MST_TRY(mst_context_open(&options, &ctx, &err));
    MST_TRY(mst_store_open_url(ctx, path, NULL, 0, &s, &err));
    MST_TRY(conf_put(s, "new/x", "1", 1, MST_PUT_REPLACE, NULL, NULL, &err));
    MST_TRY(list_with(ctx, s, 0, &err));
    MST_TRY(list_with(ctx, s, 17, &err));
  done:
    mst_store_unref(s);
    mst_context_unref(ctx);
    assert_int_equal(a.live_blocks, 0);
    assert_int_equal(status, a.failed ? MST_E_NO_MEMORY : MST_OK);
    if (!a.failed) {
      assert_true(n > 30);
      break;
    }
  }
  mst_store_unref(outside);
}

static int remove_base(void **state) {
  (void)state;
  assert_int_equal(chdir("/"), 0);
  return 0;
}

int main(void) {
  static const mst_conformance all[] = {
      {.name = "file", .flags = MST_CONF_SMALL_PARTS, .open = open_place},
      {.name = "file, asynchronous", .flags = MST_CONF_SMALL_PARTS | MST_CONF_ASYNC, .open = open_place},
  };
  static const struct CMUnitTest special[] = {
      cmocka_unit_test(paths_and_urls_name_the_same_place),   cmocka_unit_test(keys_stay_below_the_root),
      cmocka_unit_test(links_are_followed_and_loops_are_not), cmocka_unit_test(what_is_no_file_is_refused),
      cmocka_unit_test(a_file_cannot_be_a_folder_too),        cmocka_unit_test(the_root_may_be_missing),
      cmocka_unit_test(unfinished_files_are_no_objects),      cmocka_unit_test(foreign_upload_ids_reach_nothing),
      cmocka_unit_test(every_way_of_changing_a_file_is_seen), cmocka_unit_test(etags_never_come_back),
      cmocka_unit_test(waiting_for_a_lock_can_be_cancelled),  cmocka_unit_test(pages_go_on_without_their_walk),
      cmocka_unit_test(each_allocation_fails_in_turn),
  };
  mst_test_folder(base);
  int failed = mst_conformance_run(all, sizeof all / sizeof *all);
  failed += cmocka_run_group_tests_name("file, special", special, NULL, remove_base);
  mst_test_folder_remove(base);
  return failed;
}
