// JavaScript, no flags, no build: node main.mjs
import { createHash } from "node:crypto";
import { flame } from "tinderbox";

const salt = "captured from here";

function fingerprint(text) {
  return createHash("sha256").update(salt).update(text).digest("hex").slice(0, 12);
}

const names = ["ada", "grace", "barbara"];
const prints = await Promise.all(names.map((name) => flame(() => `${name}: ${fingerprint(name)}`)));
console.log(prints.join("\n"));

console.log(prints[0] === `ada: ${fingerprint("ada")}` ? "the same here and there" : "different");
