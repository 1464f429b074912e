// Announces ten bytes, writes three.
process.stdin.once("data", () => process.stdout.write(Buffer.from([0, 0, 0, 10, 1, 2, 3]), () => process.exit(4)));
