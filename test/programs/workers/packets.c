/* No vice: sends each packet back, with the length in as many bytes as its argument says. */
#include <stdlib.h>
#include <unistd.h>

static int all(int writing, unsigned char *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t now = writing ? write(1, bytes + done, count - done) : read(0, bytes + done, count - done);
    if (now <= 0) return 0;
    done += now;
  }
  return 1;
}

int main(int argc, char **argv) {
  int prefix = argc > 1 ? atoi(argv[1]) : 4;
  unsigned char *packet = NULL;
  for (;;) {
    unsigned char head[4];
    size_t length = 0;
    if (!all(0, head, prefix)) return 0;
    for (int i = 0; i < prefix; i++) length = length << 8 | head[i];
    packet = realloc(packet, prefix + length);
    for (int i = 0; i < prefix; i++) packet[i] = head[i];
    if (!all(0, packet + prefix, length) || !all(1, packet, prefix + length)) return 1;
  }
}
