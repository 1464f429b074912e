/*
 * hot-path: which number of a range takes most steps to come down to 1, by "half it if it is even, else 3n + 1"?
 *
 *   hot-path             answers on stdout what is asked on stdin
 *   hot-path <socket>    answers whoever connects to that Unix socket
 *
 * A question is two numbers, the first and the last of the range; an answer is two numbers, which one and how many steps. Both
 * are 8 bytes, led by their length in 4, and all numbers have 4 bytes, the most significant first.
 *
 * Either way it ends when its stdin is closed: that is its side of the contract. hot-path.rs does the same.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static uint32_t number(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = value >> (24 - 8 * i);
}

static int read_all(int fd, unsigned char *bytes, size_t count) {
  for (ssize_t got; count > 0; bytes += got, count -= got)
    if ((got = read(fd, bytes, count)) <= 0) return 0;
  return 1;
}

static int write_all(int fd, const unsigned char *bytes, size_t count) {
  for (ssize_t done; count > 0; bytes += done, count -= done)
    if ((done = write(fd, bytes, count)) <= 0) return 0;
  return 1;
}

/* Answers until nobody asks any more. Returns 0 for what is no question. */
static int answer_all(int in, int out) {
  unsigned char packet[12];
  while (read_all(in, packet, 4)) {
    if (number(packet) != 8 || !read_all(in, packet + 4, 8)) return 0;
    uint32_t last = number(packet + 8), best = 0, most = 0;
    uint64_t n = number(packet + 4);
    for (n = n > 0 ? n : 1; n <= last; n++) {
      uint32_t steps = 0;
      for (uint64_t at = n; at != 1; steps++) at = at % 2 == 0 ? at / 2 : 3 * at + 1;
      if (steps > most || best == 0) best = n, most = steps;
    }
    put(packet + 4, best);
    put(packet + 8, most);
    /* One write, at once: who has asked waits for it. */
    if (!write_all(out, packet, sizeof packet)) break;
  }
  return 1;
}

static void *watch_stdin(void *unused) {
  char bytes[256];
  while (read(0, bytes, sizeof bytes) > 0) continue;
  _exit(0);
  return unused;
}

static int serve(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return fprintf(stderr, "the path of the socket is too long\n"), 1;
  strcpy(address.sun_path, path);
  pthread_t thread;
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  /* A predecessor that was killed has left its socket behind. */
  unlink(path);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0 ||
      pthread_create(&thread, NULL, watch_stdin, NULL) != 0)
    return perror("cannot listen"), 1;
  printf("listening, pid %d\n", (int)getpid());
  fflush(stdout);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    answer_all(client, client);
    close(client);
  }
}

int main(int argc, char **argv) {
  /* A client that has gone is no reason to end. */
  signal(SIGPIPE, SIG_IGN);
  if (argc > 1) return serve(argv[1]);
  return answer_all(0, 1) ? 0 : 1;
}
