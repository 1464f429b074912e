import { availableParallelism } from "node:os";
import { defaultServerConditions, type PluginOption } from "vite";
import { defineConfig, type ViteUserConfig } from "vitest/config";

const source = "tinderbox-source";
// Not "module": it is for bundlers, and names files that Node cannot load.
const conditions = [source, ...defaultServerConditions.filter((name) => name !== "module")];

// Every Node process that inherits it reads the whole file at start: 40 ms each, hundreds of times in a run.
delete process.env["NODE_EXTRA_CA_CERTS"];

/** The plugin under test also transforms the tests that use it. Loaded by Node from source, not bundled into the configuration. */
async function tinderboxPlugin(): Promise<PluginOption> {
  const file = new URL("./src/plugin.ts", import.meta.url);
  const { tinderbox } = (await import(file.href)) as { tinderbox: { vite(): PluginOption } };
  return tinderbox.vite();
}

export default defineConfig(async (): Promise<ViteUserConfig> => ({
  plugins: [await tinderboxPlugin()],
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: [source] } },
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/harness/setup.ts"],
    pool: "forks",
    execArgv: [`--conditions=${source}`],
    // Vitest leaves one core free; most of these tests wait for processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 10_000,
    // `.ci/run` counts tests from this file instead of reading the printed report.
    reporters: process.env["VITEST_JSON"]
      ? ["default", ["json", { outputFile: process.env["VITEST_JSON"] }]]
      : ["default"],
  },
}));
