// Prints "<passed> <failed> <skipped>" of a vitest JSON report, and on stderr the names of what was skipped.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const file of report.testResults) {
  // A file that fails outside its tests (it cannot be loaded, a hook throws, a process is left) counts as one failure.
  if (file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed")) counts.failed++;
  for (const { status, fullName } of file.assertionResults) {
    const kind = status === "passed" || status === "failed" ? status : "skipped";
    if (kind === "skipped") process.stderr.write(`skipped: ${fullName}\n`);
    counts[kind]++;
  }
}
process.stdout.write(`${counts.passed} ${counts.failed} ${counts.skipped}\n`);
