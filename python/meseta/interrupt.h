/* interrupt.h - native calls that may take long, with the interpreter's lock released, Ctrl-C honoured and progress
 * told.
 *
 * Only the main thread hears of signals, and only between its own steps. So there a call runs on a thread of its own
 * while the main thread waits for it, wakes at each signal, and asks the call to stop when the signal's handler raised.
 * A call that tells progress runs so in every thread, because then the callback is always made from the thread that
 * asked. Other calls run where they are. */
#ifndef MESETA_PYTHON_INTERRUPT_H
#define MESETA_PYTHON_INTERRUPT_H

#include <Python.h>
#include <errno.h>
#include <meseta/meseta.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MST_PY_LOOK_MS 20 /* how often signals are looked at that another thread of the process caught */

typedef struct mst_py_job {
  void (*run)(void *arg);
  void *arg;
  pthread_t thread;
  sem_t wake;
  atomic_bool ended;
  atomic_bool told; /* done and total are news */
  atomic_uint_least64_t done;
  atomic_uint_least64_t total;
} mst_py_job;

/* Whether this is the main thread. After a fork that is the thread that forked, for the system and the interpreter
 * alike. */
static bool mst_py_hears_signals(void) { return (pid_t)syscall(SYS_gettid) == getpid(); }

static void *mst_py_thread(void *p) {
  mst_py_job *job = (mst_py_job *)p;
  job->run(job->arg);
  atomic_store(&job->ended, true);
  sem_post(&job->wake);
  return NULL;
}

/* An mst_progress_fn: notes the figures for the thread that waits. */
static void mst_py_progress(void *p, uint64_t done, uint64_t total) {
  mst_py_job *job = (mst_py_job *)p;
  atomic_store(&job->total, total);
  atomic_store(&job->done, done);
  if (!atomic_exchange(&job->told, true)) sem_post(&job->wake);
}

/* 0, or an errno when there is no thread to be had. All signals stay with the caller's thread. */
static int mst_py_start(mst_py_job *job) {
  sigset_t all, before;
  atomic_init(&job->ended, false);
  atomic_init(&job->told, false);
  atomic_init(&job->done, 0);
  atomic_init(&job->total, 0);
  if (sem_init(&job->wake, 0, 0) != 0) return errno;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&job->thread, NULL, mst_py_thread, job);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) sem_destroy(&job->wake);
  return failed;
}

/* Until the job ends, tells something, a signal comes, or some milliseconds passed. Called without the interpreter's
 * lock. */
static void mst_py_wait(mst_py_job *job) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += MST_PY_LOOK_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  (void)sem_timedwait(&job->wake, &until);
}

static void mst_py_finish(mst_py_job *job) {
  pthread_join(job->thread, NULL);
  sem_destroy(&job->wake);
}

static int mst_py_tell(mst_py_job *job, PyObject *progress) {
  if (!atomic_exchange(&job->told, false)) return 0;
  const unsigned long long done = atomic_load(&job->done), total = atomic_load(&job->total);
  PyObject *answer = PyObject_CallFunction(progress, "KK", done, total);
  Py_XDECREF(answer);
  return answer == NULL ? -1 : 0;
}

/* Called with the interpreter's lock. Has ended the job when it returns: 0, or -1 with an exception set (of a signal's
 * handler, or of `progress`, which may be NULL). `main_thread`: signals are this thread's business. */
static int mst_py_run(mst_py_job *job, mst_cancel *cancel, int main_thread, PyObject *progress) {
  bool raised = false, ended = false;
  if ((!main_thread && progress == NULL) || mst_py_start(job) != 0) {
    Py_BEGIN_ALLOW_THREADS job->run(job->arg);
    Py_END_ALLOW_THREADS return 0;
  }
  while (!ended) {
    Py_BEGIN_ALLOW_THREADS mst_py_wait(job);
    ended = atomic_load(&job->ended);
    if (ended) mst_py_finish(job);
    Py_END_ALLOW_THREADS if (raised) continue;
    raised = (main_thread && PyErr_CheckSignals() != 0) || (progress != NULL && mst_py_tell(job, progress) != 0);
    if (raised) mst_cancel_request(cancel);
  }
  return raised ? -1 : 0;
}

#endif
