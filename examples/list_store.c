/* list_store.c - list a store of any kind, with a progress that Ctrl-C can stop through a cancel flag.
 *
 *     cc list_store.c -o list_store $(pkg-config --cflags --libs meseta)
 *     ./list_store s3://bucket/prefix/ */
#include <meseta/meseta.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static mst_cancel *stop;

static void on_interrupt(int signal_number) {
  (void)signal_number;
  mst_cancel_request(stop);
}

static mst_status show(void *arg, const char *url, const char *below, const mst_object_info *info, mst_error *err) {
  uint64_t *total = arg;
  (void)url;
  (void)err;
  *total += info->size;
  printf("%12llu  %s\n", (unsigned long long)info->size, below);
  return MST_OK;
}

int main(int argc, char **argv) {
  mst_error err = {0};
  uint64_t total = 0;
  if (argc != 2) {
    fprintf(stderr, "usage: %s URL\n", argv[0]);
    return 2;
  }
  stop = mst_cancel_new(NULL);
  signal(SIGINT, on_interrupt);
  const mst_status status = mst_find(NULL, argv[1], NULL, 0, MST_FIND_RECURSIVE, show, &total, stop, &err);
  if (status == MST_OK) printf("%12llu  in all\n", (unsigned long long)total);
  else fprintf(stderr, "%s\n", err.message);
  mst_cancel_unref(stop);
  return status == MST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
