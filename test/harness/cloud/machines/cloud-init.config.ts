import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import base from "../../../../vitest.config.ts";

/** For `npm run test:cloud-init`: only the lane that boots a whole Debian. */
export default defineConfig(async (environment) => {
  const config = await base(environment);
  const root = fileURLToPath(new URL("../../../..", import.meta.url));
  return { ...config, root, test: { ...config.test, include: ["test/**/*.lane.ts"] } };
});
