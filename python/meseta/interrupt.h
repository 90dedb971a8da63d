/* interrupt.h - native calls that may take long, with the lock of the interpreter released and Ctrl-C honoured.
 *
 * Only the main thread hears of signals, and only between its own steps. So in the main thread the call runs on a thread of its own
 * while the main thread looks at signals twenty times a second; a signal whose handler raises asks the call to stop. Elsewhere the
 * call runs where it is. */
#ifndef MESETA_PYTHON_INTERRUPT_H
#define MESETA_PYTHON_INTERRUPT_H

#include <Python.h>
#include <meseta/meseta.h>
#include <pthread.h>
#include <time.h>

typedef struct mst_py_call {
  void (*run)(void *arg);
  void *arg;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int done;
} mst_py_call;

static void *mst_py_thread(void *p) {
  mst_py_call *c = (mst_py_call *)p;
  c->run(c->arg);
  pthread_mutex_lock(&c->lock);
  c->done = 1;
  pthread_cond_signal(&c->ended);
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

/* Called without the interpreter's lock. 1 when the call has ended. */
static int mst_py_wait(mst_py_call *c) {
  struct timespec until;
  int done;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 50 * 1000 * 1000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  pthread_mutex_lock(&c->lock);
  while (!c->done && pthread_cond_timedwait(&c->ended, &c->lock, &until) == 0) {
  }
  done = c->done;
  pthread_mutex_unlock(&c->lock);
  return done;
}

/* Called with the interpreter's lock. 0, or -1 with an exception set (of a signal's handler); the call has ended either way. */
static int mst_py_run(void (*run)(void *arg), void *arg, mst_cancel *cancel, int main_thread) {
  mst_py_call c = {.run = run, .arg = arg};
  pthread_t thread;
  int done = 0, raised = 0;
  if (main_thread) {
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.ended, NULL);
    main_thread = pthread_create(&thread, NULL, mst_py_thread, &c) == 0;
  }
  if (!main_thread) {
    Py_BEGIN_ALLOW_THREADS
    run(arg);
    Py_END_ALLOW_THREADS
    return 0;
  }
  while (!done) {
    Py_BEGIN_ALLOW_THREADS
    done = mst_py_wait(&c);
    Py_END_ALLOW_THREADS
    if (!raised && PyErr_CheckSignals() != 0) {
      raised = 1;
      mst_cancel_request(cancel);
    }
  }
  pthread_join(thread, NULL);
  pthread_mutex_destroy(&c.lock);
  pthread_cond_destroy(&c.ended);
  return raised ? -1 : 0;
}

#endif
