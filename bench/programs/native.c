/* What the native sections run: says that it is up if it is asked to, and sends back what it gets until its stdin ends. */
#include <unistd.h>

int main(int argc, char **argv) {
  static char bytes[65536];
  (void)argv;
  if (argc > 1 && write(1, "up\n", 3) != 3) return 1;
  for (ssize_t count; (count = read(0, bytes, sizeof bytes)) > 0;)
    for (ssize_t at = 0, done; at < count; at += done)
      if ((done = write(1, bytes + at, count - at)) <= 0) return 1;
  return 0;
}
