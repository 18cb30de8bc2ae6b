#define _GNU_SOURCE
#include "thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

// Nanoseconds for which a thread spins before it sleeps: longer than the serial parts of a step.
#define SPIN_TIME 1000000

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE()
#endif

static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER;  // held by the caller whose loop runs
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static pthread_t *workers;
static size_t worker_count;

// The current loop. Its number is written last and read first.
static _Atomic size_t generation;
static _Atomic size_t remaining;
static _Atomic int sleepers;
static _Atomic int stopping;
static size_t loop_pieces;
static void (*loop_body)(void *, size_t);
static void *loop_context;

static _Thread_local int is_piece;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// Waits for a loop after number `seen`.
static void wait_for_loop(size_t seen) {
  const long long end = now() + SPIN_TIME;
  do {
    for (int i = 0; i < 64; i++) {
      if (atomic_load_explicit(&generation, memory_order_acquire) != seen) return;
      PAUSE();
    }
    sched_yield();  // where there are more threads than processors
  } while (now() < end);

  pthread_mutex_lock(&sleep_lock);
  atomic_fetch_add(&sleepers, 1);
  while (atomic_load(&generation) == seen) pthread_cond_wait(&woken, &sleep_lock);
  atomic_fetch_sub(&sleepers, 1);
  pthread_mutex_unlock(&sleep_lock);
}

static void start_loop(void) {
  // Sequentially consistent with the count of sleepers: either this thread sees the sleeper, or the sleeper sees the
  // new number.
  atomic_fetch_add(&generation, 1);
  if (atomic_load(&sleepers) == 0) return;
  pthread_mutex_lock(&sleep_lock);
  pthread_cond_broadcast(&woken);
  pthread_mutex_unlock(&sleep_lock);
}

static void *work(void *argument) {
  const size_t piece = (size_t)argument;
  is_piece = 1;
  // In a resized pool all threads begin by waiting for loop 1.
  for (size_t seen = 0;; seen++) {
    wait_for_loop(seen);
    if (stopping) return NULL;
    if (piece < loop_pieces) loop_body(loop_context, piece);
    atomic_fetch_sub_explicit(&remaining, 1, memory_order_release);
  }
}

static void stop(void) {
  if (worker_count == 0) return;
  stopping = 1;
  start_loop();
  for (size_t i = 0; i < worker_count; i++) pthread_join(workers[i], NULL);
  free(workers);
  workers = NULL;
  worker_count = 0;
  stopping = 0;
}

void fgn_pool_resize(size_t threads) {
  pthread_mutex_lock(&owner);
  if (threads != worker_count + 1) {
    stop();
    generation = 0;
    workers = calloc(threads, sizeof *workers);
    // Workers block all signals, which are for the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // If the system grants fewer threads, the pool has fewer.
    while (workers && worker_count + 1 < threads &&
           pthread_create(&workers[worker_count], NULL, work, (void *)(worker_count + 1)) == 0)
      worker_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  pthread_mutex_unlock(&owner);
}

void fgn_pool_run(size_t pieces, void (*body)(void *, size_t), void *context) {
  if (pieces == 0) return;
  const int was_piece = is_piece;
  is_piece = 1;
  const int owns = pieces > 1 && !was_piece && pthread_mutex_trylock(&owner) == 0;
  if (owns && pieces <= worker_count + 1) {
    loop_pieces = pieces;
    loop_body = body;
    loop_context = context;
    atomic_store_explicit(&remaining, worker_count, memory_order_relaxed);
    start_loop();
    body(context, 0);
    for (unsigned i = 1; atomic_load_explicit(&remaining, memory_order_acquire) != 0; i++) {
      PAUSE();
      if (i % 64 == 0) sched_yield();
    }
  } else {
    for (size_t piece = 0; piece < pieces; piece++) body(context, piece);
  }
  if (owns) pthread_mutex_unlock(&owner);
  is_piece = was_piece;
}

int fgn_pool_is_piece(void) { return is_piece; }

fgn_pool_numbers *fgn_pool_own_numbers(void) {
  static _Thread_local fgn_pool_numbers numbers;
  return &numbers;
}
