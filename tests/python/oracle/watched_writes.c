/* Stands between a program and the system's calls that write (LD_PRELOAD): notes each call that touches
 * the files of an output, and lets one of them go wrong.
 *
 * WATCH       part of the paths whose calls count
 * WATCH_LOG   file that takes one line a call: number, call, path, offset, length (and second path)
 * WATCH_FAIL  number of the call that goes wrong, from 1
 * WATCH_HOW   errno of it; or 0: a write that writes only a part
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static long calls;

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

static void path_of(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, out, PATH_MAX - 1);
    out[len < 0 ? 0 : len] = 0;
}

/* Notes a call. Gives -1 if it goes on, else how it goes wrong. */
static int note(const char *call, const char *path, long long at, long long len, const char *other) {
    const char *watched = getenv("WATCH");
    if (!watched || !(strstr(path, watched) || (other && strstr(other, watched)))) return -1;
    pthread_mutex_lock(&turn);
    long number = ++calls;
    const char *log = getenv("WATCH_LOG");
    if (log) {
        int (*real_open)(const char *, int, ...) = REAL(int (*)(const char *, int, ...), "open");
        ssize_t (*real_write)(int, const void *, size_t) = REAL(ssize_t (*)(int, const void *, size_t), "write");
        char line[3 * PATH_MAX];
        int size = snprintf(line, sizeof line, "%ld\t%s\t%s\t%lld\t%lld\t%s\n", number, call, path, at, len,
                            other ? other : "");
        int fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0) {
            if (real_write(fd, line, size) < 0) abort();
            close(fd);
        }
    }
    pthread_mutex_unlock(&turn);
    const char *fail = getenv("WATCH_FAIL");
    if (!fail || atol(fail) != number) return -1;
    const char *how = getenv("WATCH_HOW");
    return how ? atoi(how) : EIO;
}

static int note_fd(const char *call, int fd, long long at, long long len) {
    char path[PATH_MAX];
    path_of(fd, path);
    return note(call, path, at, len, NULL);
}

#define FAILS(how) \
    if ((how) > 0) { \
        errno = (how); \
        return -1; \
    }

ssize_t write(int fd, const void *data, size_t len) {
    int how = fd > 2 ? note_fd("write", fd, lseek(fd, 0, SEEK_CUR), len) : -1;
    FAILS(how);
    return REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, data, how == 0 ? (len + 1) / 2 : len);
}

static ssize_t written_at(const char *name, int fd, const void *data, size_t len, off64_t at) {
    int how = note_fd("write", fd, at, len);
    FAILS(how);
    return REAL(ssize_t (*)(int, const void *, size_t, off64_t), name)(fd, data, how == 0 ? (len + 1) / 2 : len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) { return written_at("pwrite", fd, data, len, at); }
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) { return written_at("pwrite64", fd, data, len, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    int how = fd > 2 ? note_fd("write", fd, lseek(fd, 0, SEEK_CUR), count) : -1;
    FAILS(how);
    return REAL(ssize_t (*)(int, const struct iovec *, int), "writev")(fd, parts, how == 0 ? 1 : count);
}

#define ROOM(name, type) \
    int name(int fd, int mode, type at, type len) { \
        int how = note_fd("room", fd, at, len); \
        FAILS(how); \
        return REAL(int (*)(int, int, type, type), #name)(fd, mode, at, len); \
    }
ROOM(fallocate, off_t)
ROOM(fallocate64, off64_t)

#define CUT(name, type) \
    int name(int fd, type len) { \
        int how = note_fd("cut", fd, len, 0); \
        FAILS(how); \
        return REAL(int (*)(int, type), #name)(fd, len); \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

#define SYNC(name) \
    int name(int fd) { \
        int how = note_fd("sync", fd, 0, 0); \
        FAILS(how); \
        return REAL(int (*)(int), #name)(fd); \
    }
SYNC(fsync)
SYNC(fdatasync)

int mkdir(const char *path, mode_t mode) {
    int how = note("make", path, 0, 0, NULL);
    FAILS(how);
    return REAL(int (*)(const char *, mode_t), "mkdir")(path, mode);
}

int rename(const char *from, const char *to) {
    int how = note("rename", from, 0, 0, to);
    FAILS(how);
    return REAL(int (*)(const char *, const char *), "rename")(from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    int how = note(flags & 2 ? "swap" : "rename", from, 0, 0, to);
    FAILS(how);
    return REAL(int (*)(int, const char *, int, const char *, unsigned), "renameat2")(from_dir, from, to_dir, to, flags);
}

static int opened(const char *name, int dir, const char *path, int flags, mode_t mode) {
    if (flags & O_CREAT) {
        int how = note("open", path, 0, 0, NULL);
        FAILS(how);
    }
    if (dir == AT_FDCWD && !strstr(name, "at")) return REAL(int (*)(const char *, int, ...), name)(path, flags, mode);
    return REAL(int (*)(int, const char *, int, ...), name)(dir, path, flags, mode);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest); \
        return opened(#name, AT_FDCWD, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int dir, const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest); \
        return opened(#name, dir, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)
