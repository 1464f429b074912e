// The floor of a warm call: 32 bytes over a Unix socket to another Node and back, no meaning.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure } from "./measure.mjs";

if (process.argv[2] === "echo") {
  const socket = connect(process.argv[3]);
  socket.on("data", (chunk) => socket.write(chunk));
} else {
  const path = join(tmpdir(), `bench-${process.pid}.sock`);
  const server = createServer(async (socket) => {
    const bytes = Buffer.alloc(32);
    let answered;
    socket.on("data", () => answered());
    const call = () =>
      new Promise((resolve) => {
        answered = resolve;
        socket.write(bytes);
      });
    console.log(await measure("latency", call));
    socket.destroy();
    server.close();
    rmSync(path, { force: true });
  });
  server.listen(path, () => spawn(process.execPath, [import.meta.filename, "echo", path], { stdio: "ignore" }));
}
