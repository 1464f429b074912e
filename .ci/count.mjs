// Prints "<passed> <failed> <skipped>" of a vitest JSON report, and on stderr what failed and what was skipped.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const file of report.testResults) {
  // A file that fails outside its tests (it cannot be loaded, a hook throws, a process is left) counts as one failure.
  if (file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed")) {
    process.stderr.write(`failed: ${file.name}: ${file.message}\n`);
    counts.failed++;
  }
  for (const { status, fullName, failureMessages } of file.assertionResults) {
    const kind = status === "passed" || status === "failed" ? status : "skipped";
    if (kind !== "passed") process.stderr.write(`${kind}: ${fullName}\n`);
    for (const message of failureMessages ?? []) process.stderr.write(`  ${message.slice(0, 2_000)}\n`);
    counts[kind]++;
  }
}
process.stdout.write(`${counts.passed} ${counts.failed} ${counts.skipped}\n`);
