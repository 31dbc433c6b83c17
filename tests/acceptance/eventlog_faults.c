/* Preloaded into a process to make its disk fail. Faults touch only files of log.db, or all whose names end with
 * HANSA_FAULTY (".db" is every store of a server), and their WALs.
 *   HANSA_TORN=n   the n-th write to a WAL is cut in half, then the process is killed
 *   HANSA_DIES=n   the process is killed before the n-th fsync or fdatasync
 *   HANSA_EIO=n    from the n-th fsync or fdatasync on, each fails with EIO
 *   HANSA_EIO_DB=n the same, counting and failing only flushes of log.db itself: those of checkpoints
 *   HANSA_FULL=f   while the file f exists, a write gets half of its bytes in and the next one ENOSPC
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_open_on(int fd, const char *end) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < (ssize_t)strlen(end)) return 0;
    path[length] = 0;
    return strcmp(path + length - strlen(end), end) == 0;
}

static const char *faulty(void) {
    const char *name = getenv("HANSA_FAULTY");
    return name ? name : "log.db";
}

static int is_wal(int fd) {
    char wal[64];
    snprintf(wal, sizeof wal, "%s-wal", faulty());
    return is_open_on(fd, wal);
}

static int is_ours(int fd) { return is_wal(fd) || is_open_on(fd, faulty()); }

static int reached(const char *name, int *count) {
    const char *limit = getenv(name);
    return limit && __sync_add_and_fetch(count, 1) >= atoi(limit);
}

static ssize_t allowed(int fd, size_t size) {
    static int writes;
    static __thread int cut;
    if (is_wal(fd) && reached("HANSA_TORN", &writes)) return -2;
    const char *full = getenv("HANSA_FULL");
    if (!full || access(full, F_OK) != 0 || !is_ours(fd)) return size;
    cut = !cut;
    return cut && size > 1 ? (ssize_t)(size / 2) : -1;
}

#define WRITER(name, offset_type)                                                               \
    ssize_t name(int fd, const void *bytes, size_t size, offset_type at) {                      \
        static ssize_t (*real)(int, const void *, size_t, offset_type);                         \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                              \
        ssize_t some = allowed(fd, size);                                                       \
        if (some == -2) { real(fd, bytes, size / 2, at); kill(getpid(), SIGKILL); pause(); }    \
        if (some == -1) { errno = ENOSPC; return -1; }                                          \
        return real(fd, bytes, some, at);                                                       \
    }
WRITER(pwrite, off_t)
WRITER(pwrite64, off64_t)

static int flush_fails(int fd) {
    static int flushes, moves, ends;
    if (is_ours(fd) && reached("HANSA_DIES", &ends)) { kill(getpid(), SIGKILL); pause(); }
    if (is_open_on(fd, "log.db") && reached("HANSA_EIO_DB", &moves)) return 1;
    return is_ours(fd) && reached("HANSA_EIO", &flushes);
}

#define FLUSHER(name)                                           \
    int name(int fd) {                                          \
        static int (*real)(int);                                \
        if (!real) real = dlsym(RTLD_NEXT, #name);              \
        if (flush_fails(fd)) { errno = EIO; return -1; }        \
        return real(fd);                                        \
    }
FLUSHER(fsync)
FLUSHER(fdatasync)
