/* Preloaded into every program of a machine whose clock is wrong: the time of day is so many milliseconds ahead as
 * /etc/machine-clock says. Clocks that only count on, and all waits, are as ever; so are times of files, which the kernel
 * sets, and programs without the dynamic loader. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long skew_ms;

__attribute__((constructor)) static void load(void) {
  char text[32] = {0};
  int fd = open("/etc/machine-clock", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (read(fd, text, sizeof text - 1) > 0) skew_ms = atoll(text);
  close(fd);
}

static int now(clockid_t clock, struct timespec *at) {
  if (syscall(SYS_clock_gettime, clock, at) != 0) return -1;
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE && clock != CLOCK_TAI) return 0;
  long long ns = at->tv_nsec + skew_ms % 1000 * 1000000;
  at->tv_sec += skew_ms / 1000;
  if (ns < 0) ns += 1000000000, at->tv_sec--;
  if (ns >= 1000000000) ns -= 1000000000, at->tv_sec++;
  at->tv_nsec = ns;
  return 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) { return now(clock, at); }

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  if (now(CLOCK_REALTIME, &exact) != 0) return -1;
  at->tv_sec = exact.tv_sec;
  at->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec exact;
  if (now(CLOCK_REALTIME, &exact) != 0) return -1;
  if (at) *at = exact.tv_sec;
  return exact.tv_sec;
}

int timespec_get(struct timespec *at, int base) {
  return base == TIME_UTC && now(CLOCK_REALTIME, at) == 0 ? base : 0;
}
