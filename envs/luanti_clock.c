/* A clock that stands still until it is told to go on, and a gate that lets one frame pass at a time.
 *
 * Preloaded into the game (LD_PRELOAD). WORLDSIM_CLOCK names a file that holds two times in
 * nanoseconds, 8 bytes each: that of the server's thread, and that of all others. WORLDSIM_GATE is "OUT,IN": after each picture the game writes a byte to
 * descriptor OUT and waits for one from IN. Waits with a deadline end when the clock has passed it or the
 * same span of real time is over, so that nothing hangs while the clock stands; plain sleeps stay real.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define SLICE 1000000LL /* how often a wait looks at the clock: 1 ms */

static volatile int64_t *page;
static int gate_out = -1, gate_in = -1;

static void __attribute__((constructor)) begin(void) {
    const char *path = getenv("WORLDSIM_CLOCK"), *gate = getenv("WORLDSIM_GATE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *found = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (found != MAP_FAILED) page = found;
    }
    if (gate && sscanf(gate, "%d,%d", &gate_out, &gate_in) != 2) gate_out = gate_in = -1;
}

/* ---- clocks ---- */

/* The server's thread is told apart by the name that it gives itself after it has begun. */
static int64_t now(void) {
    static __thread int calls, server;
    char name[16] = "";
    if (calls < 1000) {
        calls++;
        server = prctl(PR_GET_NAME, name) == 0 && strcmp(name, "Server") == 0;
    }
    return server ? page[0] : page[1];
}

static struct timespec timespec_of(int64_t n) {
    struct timespec t = {n / SECOND, n % SECOND};
    return t;
}

static int64_t real_time(clockid_t clock) {
    struct timespec t;
    syscall(SYS_clock_gettime, clock, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int ours(clockid_t clock) {
    return page && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
                   clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    if (!ours(clock)) return (int)syscall(SYS_clock_gettime, clock, t);
    *t = timespec_of(now());
    return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec s;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &s);
    t->tv_sec = s.tv_sec;
    t->tv_usec = s.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec s;
    clock_gettime(CLOCK_REALTIME, &s);
    if (out) *out = s.tv_sec;
    return s.tv_sec;
}

/* ---- waits with a deadline ---- */

/* The moment, on the real clock, at which a wait for our moment t has lasted long enough. */
static int64_t real_end(clockid_t clock, const struct timespec *t) {
    int64_t left = t->tv_sec * SECOND + t->tv_nsec - now();
    return real_time(clock) + (left > 0 ? left : 0);
}

/* In slices, so that the server notices within a millisecond that the clock has gone on. */
int sem_timedwait(sem_t *restrict s, const struct timespec *restrict t) {
    static int (*next)(sem_t *, const struct timespec *);
    if (!next) next = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    if (!page) return next(s, t);
    int64_t end = real_end(CLOCK_REALTIME, t);
    for (;;) {
        int64_t slice = real_time(CLOCK_REALTIME) + SLICE;
        int last = slice >= end || now() >= t->tv_sec * SECOND + t->tv_nsec;
        struct timespec until = timespec_of(slice < end ? slice : end);
        int result = next(s, &until);
        if (result == 0 || errno != ETIMEDOUT || last) return result;
    }
}

/* Conditions can't be sliced: a signal between two slices would be lost. */
int pthread_cond_clockwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t clock,
                           const struct timespec *restrict t) {
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    if (!next)
        next = (int (*)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *))dlsym(
            RTLD_NEXT, "pthread_cond_clockwait");
    struct timespec until = page ? timespec_of(real_end(clock, t)) : *t;
    return next(c, m, clock, &until);
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict t) {
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!next) { /* x86-64 has an older one by the same name, with another structure */
        void *found = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
        if (!found) found = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
        next = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))found;
    }
    struct timespec until = page ? timespec_of(real_end(CLOCK_REALTIME, t)) : *t;
    return next(c, m, &until);
}

/* ---- the gate: one picture, one byte out, one byte in ---- */

void glXSwapBuffers(void *display, unsigned long drawable) {
    static void (*next)(void *, unsigned long);
    static int (*sync)(void *, int);
    char byte = 'f';
    if (!next) {
        next = (void (*)(void *, unsigned long))dlsym(RTLD_NEXT, "glXSwapBuffers");
        sync = (int (*)(void *, int))dlsym(RTLD_DEFAULT, "XSync");
    }
    next(display, drawable);
    if (gate_out < 0) return;
    if (sync) sync(display, 0); /* the X server has the picture before anyone is told of it */
    while (write(gate_out, &byte, 1) < 0 && errno == EINTR) {}
    while (read(gate_in, &byte, 1) < 0 && errno == EINTR) {}
}
