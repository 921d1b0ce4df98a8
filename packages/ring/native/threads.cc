// Helping threads, kept from one kernel to the next: a run calls thousands of kernels, and a thread takes longer to
// start than many of them to run.
#include "kernels.h"
#include <cstdlib>
#include <pthread.h>

namespace {

const unsigned MOST_THREADS = 64;

struct Work {
  size_t next, parts;
  void (*run)(const void *context, size_t part);
  const void *context;
};

void takeParts(Work *w) {
  for (size_t part; (part = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED)) < w->parts;) w->run(w->context, part);
}

// Of one thread that calls kernels. Each helper is woken for each kernel of which there are parts for it; one that
// comes when all of them are taken goes back to sleep, and nobody has waited for it.
struct Helpers {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t come = PTHREAD_COND_INITIALIZER, gone = PTHREAD_COND_INITIALIZER;
  pthread_t threads[MOST_THREADS];
  unsigned there = 0;
  // Under the lock: what there is to do, how many more may help, and how many do
  Work *work = nullptr;
  unsigned wanted = 0, inside = 0;
  bool over = false;

  void help() {
    pthread_mutex_lock(&lock);
    while (true) {
      while (!over && wanted == 0) pthread_cond_wait(&come, &lock);
      if (over) break;
      Work *const w = work;
      wanted--, inside++;
      pthread_mutex_unlock(&lock);
      takeParts(w);
      pthread_mutex_lock(&lock);
      if (--inside == 0) pthread_cond_signal(&gone);
    }
    pthread_mutex_unlock(&lock);
  }

  static void *start(void *helpers) {
    ((Helpers *)helpers)->help();
    kernelScratchFree();
    return nullptr;
  }

  void run(Work *w, unsigned helping) {
    while (there < helping && !pthread_create(threads + there, nullptr, start, this)) there++;
    pthread_mutex_lock(&lock);
    work = w;
    wanted = helping < there ? helping : there;
    for (unsigned i = 0; i < wanted; i++) pthread_cond_signal(&come);
    pthread_mutex_unlock(&lock);
    takeParts(w);
    pthread_mutex_lock(&lock);
    wanted = 0;
    while (inside > 0) pthread_cond_wait(&gone, &lock);
    pthread_mutex_unlock(&lock);
  }

  ~Helpers() {
    pthread_mutex_lock(&lock);
    over = true;
    pthread_cond_broadcast(&come);
    pthread_mutex_unlock(&lock);
    while (there > 0) pthread_join(threads[--there], nullptr);
  }
};

thread_local Helpers *helpers = nullptr;

} // namespace

void kernelParts(size_t parts, unsigned threads, void (*run)(const void *context, size_t part), const void *context) {
  Work w = {0, parts, run, context};
  const unsigned useful = threads < parts ? threads : (unsigned)parts;
  if (useful > 1) {
    if (!helpers) helpers = new Helpers();
    helpers->run(&w, useful - 1 < MOST_THREADS ? useful - 1 : MOST_THREADS);
  } else takeParts(&w);
}

void kernelThreadsEnd() {
  delete helpers;
  helpers = nullptr;
}
