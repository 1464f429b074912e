/** Uses an S3 store where nobody has installed the SDK. */
import { registerHooks } from "node:module";
import { systemClock } from "../../../src/clock.ts";
import { s3Driver } from "../../../src/store/drivers/s3.ts";

registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith("@aws-sdk/")) return next(specifier, context);
    throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: "ERR_MODULE_NOT_FOUND" });
  },
});

const driver = s3Driver({ bucket: "test", clock: systemClock });
for (const request of [() => driver.get("a"), () => driver.put("a", Buffer.from("x"))]) {
  const error = (await request().catch((reason: unknown) => reason)) as Error & { maybe: boolean; transient: boolean };
  console.log(JSON.stringify({ ...error, message: error.message }));
}
await driver.close();
