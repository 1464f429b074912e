import { expect, test } from "vitest";
import { renderUserData } from "../../src/backends/boot/user-data.ts";
import { absence, machineFolder, startMachine } from "./harness/machine.ts";
import { ticket } from "./harness/site.ts";

const missing = absence();
if (missing) console.warn(`\n*** TRUNCATED USER DATA WAS NOT TRIED: ${missing} ***\n`);

const whole = renderUserData({
  region: "eu-central-1",
  bucket: "releases",
  release: "a".repeat(64),
  addresses: ["10.0.0.5:41234"],
  fingerprint: "b".repeat(64),
  ticket,
  lifetimeMs: 3_600_000,
  noParentMs: 120_000,
  parentLostMs: 60_000,
});

/** Where the line ends that arms the timer. */
const armed = whole.indexOf("\n", whole.indexOf("\n") + 1);
/** Every byte around each end of a part and of a heredoc, and each so many others; 1 tries all, in half an hour. */
const edges = [
  0,
  armed,
  whole.indexOf("\nEND\n"),
  whole.indexOf(": >armed; }"),
  whole.indexOf("<<'.'"),
  whole.indexOf("\n.\n"),
  whole.length - 40,
];
const stride = Number(process.env["TINDERBOX_TRUNCATE_STRIDE"] ?? 151);
const lengths = Array.from({ length: whole.length }, (_, length) => length).filter(
  (length) => length % stride === 0 || edges.some((edge) => length >= edge - 2 && length <= edge + 14),
);
const patienceMs = 60_000 + 500 * lengths.length;

/** Notes what is started and asked for, instead of doing it; nothing here takes time. */
const shims = `for name in setsid poweroff python3; do
  printf '%s\\n' '#!/bin/bash' 'echo "\${0##*/} $*" >>/run/noted' >usr/local/sbin/$name
  chmod +x usr/local/sbin/$name
done
printf '#!/bin/bash\\n' >usr/local/sbin/sleep; chmod +x usr/local/sbin/sleep`;

const trial = `
while read -r length; do
  rm -rf /run/tinderbox /run/noted; touch /run/noted
  head -c "$length" /host/whole >/run/cut
  # Until all that it has left behind has ended, too.
  bash /run/cut </dev/null 2>&1 | cat >/run/printed
  code=\${PIPESTATUS[0]}
  timer=$(grep -c 'setsid sh -c trap "" PIPE HUP; sleep 3600' /run/noted)
  off=$(grep -c 'setsid sh -c trap "" PIPE HUP; sync & poweroff' /run/noted)
  other=$(grep -vc setsid /run/noted)
  said=$(grep -c 'the user data has ended' /run/printed)
  echo "cut $length: code $code timer $timer off $off other $other said $said files $(ls /run/tinderbox 2>/dev/null | wc -l)"
done </host/lengths
echo "all cut"`;

test.skipIf(missing)(
  "user data that is cut off has done nothing, or has armed the timer and goes off",
  async () => {
    const machine = startMachine(machineFolder(), {
      userData: `#!/bin/bash\n${trial}\n`,
      prepare: shims,
      files: { whole, lengths: lengths.map((length) => `${length}\n`).join("") },
    });
    await machine.see(/all cut/, patienceMs);
    const results = new Map(
      [...machine.console().matchAll(/^cut (\d+): (.*)$/gm)].map(
        ([, length, result]) => [Number(length), result] as const,
      ),
    );
    expect(results.size).toBe(lengths.length);
    for (const length of lengths) {
      const result = results.get(length);
      const nothing = /^code [02] timer 0 off 0 other 0 said 0 files 0$/;
      const off = /^code [12] timer 1 off 1 other \d said 1 /;
      expect.soft(result, String(length)).toMatch(length < armed ? nothing : off);
    }
  },
  patienceMs + 20_000,
);
