/** A program that is started for each call, here ffmpeg: a film goes in by stdin, pictures come out by stdout, on a runner. */
import { availableParallelism } from "node:os";
import { BinaryExitError, BinaryStartError, binary, flame, pool } from "tinderbox";

const cores = availableParallelism();
const media = pool("media", { max: 1, concurrency: 8 });
const ffmpeg = binary("ffmpeg", {
  command: "ffmpeg",
  args: ["-hide_banner", "-loglevel", "error", "-threads", "1"],
  // However many ask: no more than this at a time in one process, here the runner.
  size: cores,
  timeout: "1m",
});

// A film of our own, so that the example needs none: eight seconds of ffmpeg's test picture.
const seconds = 8;
const testPicture = ["-f", "lavfi", "-i", `testsrc=duration=${seconds}:size=640x360:rate=15`];
const made = await ffmpeg
  .run([...testPicture, "-c:v", "mpeg4", "-qscale:v", "5", "-f", "avi", "pipe:1"])
  .catch((error: unknown) => {
    if (!(error instanceof BinaryStartError)) throw error;
    console.error(`${error.message}\nOn Debian and Ubuntu: sudo apt install ffmpeg`);
    process.exit(1);
  });
const film = made.stdout!;
console.log(`a film of ${seconds} s: ${(film.length / 1024).toFixed(0)} KiB, made in ${made.durationMs.toFixed(0)} ms`);

// One closure; the film and the handle of ffmpeg go along. On the runner all pictures are asked for at once.
const started = performance.now();
const thumbnails = await flame(
  () =>
    Promise.all(
      Array.from({ length: seconds }, async (_, second) => {
        const cut = ["-ss", String(second), "-i", "pipe:0", "-frames:v", "1", "-vf", "scale=160:-2"];
        const { stdout, pid } = await ffmpeg.run([...cut, "-f", "image2pipe", "-c:v", "png", "pipe:1"], {
          input: film,
        });
        return { second, pid, picture: stdout! };
      }),
    ),
  { pool: media },
);
console.log(
  `${thumbnails.length} thumbnails by ${cores} processes at a time on a runner, in ${(performance.now() - started).toFixed(0)} ms`,
);
for (const { second, pid, picture } of thumbnails) {
  const { width, height } = sizeOf(picture);
  console.log(`  second ${second}: PNG, ${width}x${height}, ${picture.length} bytes, by process ${pid}`);
  if (width !== 160 || height !== 90) throw new Error("this is not the size that was asked for");
}
const different = new Set(thumbnails.map(({ picture }) => Buffer.from(picture).toString("base64"))).size;
console.log(`${different} of them are different pictures`);

// What goes wrong is an error with the program's own last words, and nobody else's problem.
const failed = await ffmpeg
  .run(["-i", "pipe:0", "-f", "null", "-"], { input: "this is no film" })
  .catch((error: unknown) => error);
if (!(failed instanceof BinaryExitError)) throw new Error("ffmpeg should have refused that", { cause: failed });
console.log(`and of what is no film it says: ${failed.stderr.trim().split("\n")[0]}`);
await media.close();

/** Of a PNG, from its first bytes. */
function sizeOf(picture: Uint8Array): { readonly width: number; readonly height: number } {
  const view = new DataView(picture.buffer, picture.byteOffset, picture.byteLength);
  if (picture.length < 24 || view.getBigUint64(0) !== 0x89504e470d0a1a0an) throw new Error("this is no PNG");
  return { width: view.getUint32(16), height: view.getUint32(20) };
}
