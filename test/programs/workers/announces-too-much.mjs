// An answer of two gigabytes, it says.
process.stdin.once("data", () => process.stdout.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 1])));
