/* Preloaded into a process to set its clock: HANSA_CLOCK names a file whose first eight bytes are by how many seconds
 * the time of day is another one here. It may change at any time. Waits for a time of day end when it is that time here,
 * at most LOOK_NS late. Clocks that count from a start (CLOCK_MONOTONIC) stay as they are, as they do where the
 * administrator of a machine, or its virtual machine monitor, sets the clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 50000000LL
#define SECOND_NS 1000000000LL
#define FIRST_S 1000000000 /* what is earlier is no time of day, but counted from a start */

static volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("HANSA_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) ahead = found;
    close(file);
}

static int64_t ahead_s(void) { return ahead ? *ahead : 0; }

static int is_of_day(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

static int64_t true_ns(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && is_of_day(clock)) now->tv_sec += ahead_s();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(now, zone);
    if (!failed) now->tv_sec += ahead_s();
    return failed;
}

time_t time(time_t *told) {
    time_t now = true_ns() / SECOND_NS + ahead_s();
    if (told) *told = now;
    return now;
}

/* The next look at the clock while something waits for `until`: false where it is that time. */
static int next_look(const struct timespec *until, struct timespec *look) {
    int64_t now = true_ns(), left = (until->tv_sec - ahead_s()) * SECOND_NS + until->tv_nsec - now;
    if (left <= 0) return 0;
    int64_t next = now + (left < LOOK_NS ? left : LOOK_NS);
    look->tv_sec = next / SECOND_NS;
    look->tv_nsec = next % SECOND_NS;
    return 1;
}

static void *newest(const char *name, const char *version) {
    void *found = dlvsym(RTLD_NEXT, name, version);
    return found ? found : dlsym(RTLD_NEXT, name);
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) real = newest("pthread_cond_timedwait", "GLIBC_2.3.2"); /* its first version is another function */
    if (!ahead || until->tv_sec < FIRST_S) return real(cond, mutex, until);
    struct timespec look;
    while (next_look(until, &look)) {
        int ended = real(cond, mutex, &look);
        if (ended != ETIMEDOUT) return ended;
    }
    return ETIMEDOUT;
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "cnd_timedwait");
    if (!ahead) return real(cond, mutex, until);
    struct timespec look;
    while (next_look(until, &look)) {
        int ended = real(cond, mutex, &look);
        if (ended != thrd_timedout) return ended;
    }
    return thrd_timedout;
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict until) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "sem_timedwait");
    if (!ahead) return real(sem, until);
    struct timespec look;
    while (next_look(until, &look)) {
        int failed = real(sem, &look);
        if (!failed || errno != ETIMEDOUT) return failed;
    }
    errno = ETIMEDOUT;
    return -1;
}
