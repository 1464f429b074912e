import { systemClock } from "../../../src/clock.ts";
import type { StoreDriver } from "../../../src/ports/store.ts";

/** A store that several processes can share. */
export type Place =
  | { readonly kind: "file"; readonly folder: string }
  | {
      readonly kind: "s3";
      readonly endpoint: string;
      readonly prefix: string;
      readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
    };

export async function driverOf(place: Place): Promise<StoreDriver> {
  const clock = systemClock;
  if (place.kind === "file") {
    const { fileDriver } = await import("../../../src/store/drivers/file.ts");
    return fileDriver({ folder: place.folder, clock });
  }
  const { s3Driver } = await import("../../../src/store/drivers/s3.ts");
  return s3Driver({
    bucket: "test",
    clock,
    endpoint: place.endpoint,
    prefix: place.prefix,
    credentials: place.credentials,
  });
}
