/* Signals the process it is loaded into, on entry of its n-th call that writes.

   LD_PRELOAD it, and call chaos_arm(n, signal) where the counting begins. SIGKILL is
   a crash between two system calls; SIGSTOP holds it there until SIGCONT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long left = 0;
static int number = 0;

void chaos_arm(long n, int signal_number) {
  number = signal_number;
  atomic_store(&left, n);
}

static void count(void) {
  if (atomic_load(&left) > 0 && atomic_fetch_sub(&left, 1) == 1)
    kill(getpid(), number);
}

#define CALL(type, name, takes, passes)                      \
  type name takes {                                          \
    static type(*real) takes;                                \
    if (!real) real = (type(*) takes)dlsym(RTLD_NEXT, #name); \
    count();                                                 \
    return real passes;                                      \
  }

CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
CALL(ssize_t, send, (int fd, const void *data, size_t size, int how), (fd, data, size, how))
CALL(ssize_t, sendto, (int fd, const void *data, size_t size, int how, const struct sockaddr *to, socklen_t length), (fd, data, size, how, to, length))
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *data, int how), (fd, data, how))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(int, unlink, (const char *path), (path))
CALL(int, ftruncate, (int fd, off_t size), (fd, size))
CALL(int, ftruncate64, (int fd, off64_t size), (fd, size))
